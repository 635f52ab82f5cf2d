// The client of graphql-ws: each kind of operation, an error, and a refused credential.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

import { assertWholeStory, AUTHORIZATION, collect, operation, SOCKET, startJob } from "./product.js";

const LIMIT = { timeout: 60_000 };
const connect = (Authorization = AUTHORIZATION) =>
  createClient({ url: SOCKET, webSocketImpl: WebSocket, connectionParams: { Authorization }, retryAttempts: 0 });

/** All results of one operation on a connection of its own. */
async function results(payload, token) {
  const client = connect(token);
  try {
    return await collect((sink) => client.subscribe(payload, sink));
  } finally {
    await client.dispose();
  }
}

test("a query is one result", LIMIT, async () => {
  assert.deepEqual(await results({ query: "{ __typename }" }), [{ data: { __typename: "Query" } }]);
});

test("a subscription tells its whole story and completes", LIMIT, async () => {
  const { id: jobId } = await startJob(5);

  const all = await results({ query: await operation("JobProgress"), variables: { jobId, after: 0 } });

  assertWholeStory(all.map(({ data }) => data.jobProgress));
});

test("a wrong document is an error of its operation", LIMIT, async () => {
  await assert.rejects(results({ query: "subscription { nope }" }), ([error]) => {
    assert.equal(error.extensions.code, "BAD_USER_INPUT");
    return true;
  });
});

test("a wrong token closes with 4403", LIMIT, async () => {
  await assert.rejects(results({ query: "{ __typename }" }, "Bearer cp_wrong"), ({ code }) => {
    assert.equal(code, 4403);
    return true;
  });
});
