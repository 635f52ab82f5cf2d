// The audits of graphql-http: every MUST and every SHOULD of the GraphQL-over-HTTP specification.
import assert from "node:assert/strict";
import { test } from "node:test";

import { serverAudits } from "graphql-http";

import { AUTHORIZATION, ENDPOINT } from "./product.js";

const KNOWN_MAY = new Set([]);

const audits = serverAudits({
  url: ENDPOINT,
  fetchFn: (url, options) => fetch(url, { ...options, headers: { ...options?.headers, Authorization: AUTHORIZATION } }),
});
let passed = 0;

for (const { id, name, fn } of audits) {
  test(`${id} ${name}`, async (context) => {
    const result = await fn();
    passed += result.status === "ok";
    if (result.status === "notice" || (result.status === "warn" && KNOWN_MAY.has(id))) {
      context.diagnostic(`${result.status}: ${result.reason}`);
      return;
    }
    assert.equal(result.status, "ok", result.reason);
  });
}

test("there are as many audits as ever", () => {
  assert.equal(audits.length, 61);
  assert(passed >= 60, `${passed} of ${audits.length} are ok`);
});
