// Apollo Client 4 as docs/clients.md sets it up: cache, mutation, subscription, and a job watched over a cut line.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { gql } from "@apollo/client";
import { WebSocket } from "ws";

import { apolloOfTheDocs } from "./docs.js";
import { call, finished, killApi, openLine, operation, PROJECT_ID, startJob, TOKEN, VIDEO_ID } from "./product.js";

globalThis.WebSocket ??= WebSocket; // browsers and Node 22 bring their own

const LIMIT = { timeout: 240_000 }; // pipelines run several times
let line, client, socket, watchJob, watchVideo;

before(async () => {
  line = await openLine();
  ({ client, socket, watchJob, watchVideo } = await apolloOfTheDocs(line.url, TOKEN));
});

after(async () => {
  client?.stop();
  await socket?.dispose();
  line?.close();
});

describe("queries", LIMIT, () => {
  test("are answered from the cache the second time", async () => {
    const query = gql(await operation("Project"));
    const variables = { id: PROJECT_ID };

    const { data } = await client.query({ query, variables });
    line.cut();
    const again = await client.query({ query, variables }).finally(line.mend);

    assert.equal(data.project.name, "Four short stories");
    assert.equal(again.data, data);
  });

  test("share one object by its id", async () => {
    await client.query({ query: gql(await operation("Moments")), variables: { videoId: VIDEO_ID } });

    const title = gql`query ($id: ID!) { video(id: $id) { id title } }`;
    await client.query({ query: title, variables: { id: VIDEO_ID } });
    const kept = client.cache.extract()[`Video:${VIDEO_ID}`];

    assert.equal(kept.title, "four_short_stories.mp4");
    assert(kept['moments({"first":10})'].nodes.length >= 3);
  });

  test("that are refused say why", async () => {
    await assert.rejects(client.query({ query: gql`{ nothingOfThatName }` }), { name: "CombinedGraphQLErrors" });
  });
});

describe("mutations", LIMIT, () => {
  test("carry out what they say", async () => {
    const mutation = gql(await operation("CreateProject"));

    const { data } = await client.mutate({ mutation, variables: { input: { name: "Made by Apollo" } } });

    assert.deepEqual(data.createProject.errors, []);
    assert.equal((await call("Project", { id: data.createProject.project.id })).name, "Made by Apollo");
  });

  test("answer with errors in their payload", async () => {
    const mutation = gql(await operation("CreateProject"));

    const { data } = await client.mutate({ mutation, variables: { input: { name: "" } } });

    assert.equal(data.createProject.project, null);
    assert.deepEqual(data.createProject.errors.map(({ code }) => code), ["BAD_USER_INPUT"]);
  });
});

describe("subscriptions", LIMIT, () => {
  test("begin with a snapshot and bring every event", async () => {
    const job = await startJob(1);
    const query = gql(await operation("JobProgress"));
    const seen = [];

    await new Promise((complete, error) => {
      const next = (result) => (result.error ? error(result.error) : seen.push(result.data.jobProgress));
      client.subscribe({ query, variables: { jobId: job.id, after: 0 } }).subscribe({ next, error, complete });
    });

    const events = seen.filter(({ type }) => type === "EVENT");
    assert.equal(seen[0].type, "SNAPSHOT");
    assert.deepEqual(events.map(({ seq }) => seq), events.map((_, index) => index + 1));
    assert.equal(seen.at(-1).status, "SUCCEEDED");
  });

  test("go on behind the last event after the line was cut", async () => {
    const { jobs } = await call("StartPipeline", { input: { videoId: VIDEO_ID, force: true } });
    const job = jobs.at(-1); // blocked until all the others are over
    const seen = [];
    let first;

    for await (const update of watchJob(socket, job.id)) {
      seen.push(update);
      if (seen.length > 1) continue;
      first = update.seq;
      line.cut(); // until the job is over: everything that follows happens unseen
      finished(job.id).then(line.mend);
    }

    const { events } = await call("Job", { id: job.id });
    const missed = events.nodes.map(({ seq }) => seq).filter((seq) => seq > first);
    const caughtUp = seen.filter(({ type }) => type === "EVENT");
    assert.deepEqual(seen.slice(0, 2).map(({ type, status }) => [type, status]), [
      ["SNAPSHOT", "BLOCKED"],
      ["SNAPSHOT", "SUCCEEDED"], // of the second connection
    ]);
    assert(missed.length >= 3); // unblocked, running, succeeded
    assert.deepEqual(caughtUp.map(({ seq }) => seq), missed);
    assert.equal(seen.at(-1).status, "SUCCEEDED");
    await Promise.all(jobs.map(({ id }) => finished(id))); // optional steps too: the next run joins none of them
  });

  test("go on when the page is reloaded, the machine sleeps and another API process answers", async () => {
    await call("PauseQueue", { input: { name: "cpu" } }); // no job is over before all three have happened
    const { jobs } = await call("StartPipeline", { input: { videoId: VIDEO_ID, force: true } });
    const job = jobs.at(-1); // blocked until all the others are over
    const seqs = [];
    let stored;

    for await (const update of watchJob(socket, job.id, 0)) {
      stored = update.type === "EVENT" ? update.seq : stored;
      if (update.type === "EVENT") seqs.push(update.seq);
      if (update.type === "EVENT") break; // the page is closed
    }
    let snapshots = 0;
    for await (const update of watchJob(socket, job.id, stored)) {
      if (update.type === "EVENT") seqs.push(update.seq);
      if (update.type !== "SNAPSHOT") continue;
      snapshots += 1;
      if (snapshots === 1) line.freeze(); // the connection is dead, and nobody says so
      if (snapshots === 2) await killApi(); // 1006, and then refused connections until another one listens
      if (snapshots === 3) await call("ResumeQueue", { input: { name: "cpu" } });
    }

    const { events } = await call("Job", { id: job.id });
    assert(snapshots >= 3);
    assert.deepEqual(seqs, events.nodes.map(({ seq }) => seq));
    await Promise.all(jobs.map(({ id }) => finished(id)));
  });

  test("of a video go on behind the cursor after the line was cut", async () => {
    const feed = watchVideo(socket, VIDEO_ID);
    let { value: update } = await feed.next();
    while (update.jobId !== null) ({ value: update } = await feed.next()); // up to the present
    line.cut();
    const { jobs } = await call("StartPipeline", { input: { videoId: VIDEO_ID, force: true } });
    await Promise.all(jobs.map(({ id }) => finished(id)));
    line.mend();

    const events = Object.fromEntries(jobs.map(({ id }) => [id, []]));
    const results = [];
    let running = jobs.length;
    for await (const { jobId, result, update } of feed) {
      if (update?.type !== "EVENT" || !(jobId in events)) continue; // others of the video may still be at work
      events[jobId].push(update.seq);
      if (result !== null) results.push(result);
      if (update.status === "SUCCEEDED") running -= 1;
      if (running === 0) break;
    }

    for (const seqs of Object.values(events)) assert.deepEqual(seqs, seqs.map((_, index) => index + 1));
    assert(["TRANSCRIPT", "MOMENTS"].every((result) => results.includes(result)));
  });
});
