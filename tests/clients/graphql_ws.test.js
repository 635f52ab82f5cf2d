// The reference client of graphql-transport-ws: order of the messages, their end, and refusals.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

import { finished, operation, startJob, TOKEN, URL_ } from "./product.js";

const LIMIT = { timeout: 60_000 };
const url = `${URL_.replace(/^http/, "ws")}/graphql`;
const connect = (Authorization, options) =>
  createClient({ url, webSocketImpl: WebSocket, connectionParams: { Authorization }, retryAttempts: 0, ...options });
let socket, query;

/** All results until the server completes the operation. */
async function results(payload) {
  const all = [];
  for await (const result of socket.iterate(payload)) all.push(result);
  return all;
}

before(async () => {
  socket = connect(`Bearer ${TOKEN}`);
  query = await operation("JobProgress");
});

after(() => socket.dispose());

describe("jobProgress", LIMIT, () => {
  test("sends a snapshot, then events 1 to n, and completes", async () => {
    const { id: jobId } = await startJob(3);

    const updates = (await results({ query, variables: { jobId, after: 0 } })).map(({ data }) => data.jobProgress);

    const [snapshot, ...rest] = updates;
    const events = rest.filter(({ type }) => type === "EVENT");
    assert.equal(snapshot.type, "SNAPSHOT");
    assert(!rest.some(({ type }) => type === "SNAPSHOT"));
    assert.deepEqual(events.map(({ seq }) => seq), events.map((_, index) => index + 1));
    assert.equal(updates.at(-1).status, "SUCCEEDED");
    assert.equal(events.at(-1).event.error, null);
  });

  test("of a finished job is its snapshot, and behind an event what followed it", async () => {
    const { id: jobId } = await startJob(4);
    await finished(jobId);

    const alone = await results({ query, variables: { jobId } });
    const last = alone[0].data.jobProgress.seq;
    const tail = await results({ query, variables: { jobId, after: last - 1 } });

    assert.equal(alone.length, 1);
    assert.deepEqual(tail.map(({ data }) => [data.jobProgress.type, data.jobProgress.seq]), [
      ["SNAPSHOT", last],
      ["EVENT", last],
    ]);
  });

  test("of an unknown job is an error of this operation alone", async () => {
    const unknown = { query, variables: { jobId: "job_00000000000070008000000000000000" } };

    const [refused] = await results(unknown).catch((errors) => errors);
    const [me] = await results({ query: "{ me { isAdmin } }" });

    assert.equal(refused.extensions.code, "NOT_FOUND");
    assert.deepEqual(me, { data: { me: { isAdmin: true } } });
  });
});

describe("a wrong token", LIMIT, () => {
  test("closes the socket with 4403", async () => {
    const stranger = connect("Bearer wrong", { lazy: false, onNonLazyError: () => {} });

    const code = await new Promise((closed) => stranger.on("closed", (event) => closed(event.code)));

    assert.equal(code, 4403);
  });
});
