// The client of graphql-sse in its distinct-connections mode, and what EventSource does when a line breaks.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "graphql-sse";

import { assertWholeStory, AUTHORIZATION, collect, ENDPOINT, operation, startJob } from "./product.js";

const LIMIT = { timeout: 60_000 };
const connect = (Authorization = AUTHORIZATION) =>
  createClient({ url: ENDPOINT, singleConnection: false, retryAttempts: 0, headers: { Authorization } });
const results = (client, payload) => collect((sink) => client.subscribe(payload, sink));

test("a query is a stream of one result", LIMIT, async () => {
  assert.deepEqual(await results(connect(), { query: "{ __typename }" }), [{ data: { __typename: "Query" } }]);
});

test("a subscription tells its whole story and completes", LIMIT, async () => {
  const { id: jobId } = await startJob(3);

  const all = await results(connect(), { query: await operation("JobProgress"), variables: { jobId, after: 0 } });

  assertWholeStory(all.map(({ data }) => data.jobProgress));
});

test("a wrong document is a result with errors", LIMIT, async () => {
  const [{ data, errors }] = await results(connect(), { query: "subscription { nope }" });

  assert.equal(data, undefined);
  assert.equal(errors[0].extensions.code, "BAD_USER_INPUT");
});

test("a wrong token is an error of the connection", LIMIT, async () => {
  await assert.rejects(results(connect("Bearer cp_wrong"), { query: "{ __typename }" }), ({ response }) => {
    assert.equal(response.status, 401);
    return true;
  });
});

test("Last-Event-ID goes on behind the event that was seen last", LIMIT, async () => {
  const { id: jobId } = await startJob(4);
  const query = await operation("JobProgress");
  const parameters = new URLSearchParams({ query, variables: JSON.stringify({ jobId, after: 0 }) });
  const headers = { Authorization: AUTHORIZATION, Accept: "text/event-stream" };
  const read = async (more) => {
    const text = await (await fetch(`${ENDPOINT}?${parameters}`, { headers: { ...headers, ...more } })).text();
    return [...text.matchAll(/^(?:id: (\d+)\n)?event: next\ndata: (.*)$/gm)].map(([, id, data]) => ({
      id: id && Number(id),
      ...JSON.parse(data).data.jobProgress,
    }));
  };

  const whole = await read();
  const events = whole.filter(({ type }) => type === "EVENT");
  const cut = events.at(-2).id;
  const rest = await read({ "Last-Event-ID": String(cut) });

  assertWholeStory(whole);
  assert(events.every(({ id, seq }) => id === seq));
  assert.equal(whole[0].id, undefined);
  assert.deepEqual(rest.map(({ type, seq }) => [type, seq]), [
    ["SNAPSHOT", cut + 1],
    ["EVENT", cut + 1],
  ]);
});
