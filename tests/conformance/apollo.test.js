// Apollo Client 4: persisted queries by hash, subscriptions as multipart, and answers in pieces in both of its forms.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Defer20220824Handler, GraphQL17Alpha9Handler } from "@apollo/client/incremental";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";

import { assertWholeStory, AUTHORIZATION, collect, ENDPOINT, operation, startJob, VIDEO_ID } from "./product.js";

const LIMIT = { timeout: 60_000 };
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** A client, and what it sent and got. */
function connect(options = {}, { get = false } = {}) {
  const exchanges = [];
  const http = new HttpLink({
    uri: ENDPOINT,
    headers: { Authorization: AUTHORIZATION },
    useGETForQueries: get,
    fetch: async (url, request) => {
      const response = await fetch(url, request);
      exchanges.push({ url, body: request.body, type: response.headers.get("content-type"), status: response.status });
      return response;
    },
  });
  const link = options.persisted ? new PersistedQueryLink({ sha256, useGETForHashedQueries: get }).concat(http) : http;
  const { persisted, ...rest } = options;
  return { client: new ApolloClient({ link, cache: new InMemoryCache(), ...rest }), exchanges };
}

test("a query and its cache", LIMIT, async () => {
  const { client, exchanges } = connect();
  const query = gql`query Name { serverInfo { name version } }`;

  const { data } = await client.query({ query });
  await client.query({ query });

  assert.equal(data.serverInfo.name, "Cuepoint");
  assert.equal(exchanges.length, 1);
  assert.match(exchanges[0].type, /^application\/graphql-response\+json/);
});

for (const get of [false, true]) {
  test(`a persisted query is sent once, then by its hash (${get ? "GET" : "POST"})`, LIMIT, async () => {
    const query = gql`query Persisted${get ? "ByGet" : "ByPost"} { serverInfo { name } }`;
    const first = connect({ persisted: true }, { get });
    const second = connect({ persisted: true }, { get });

    const { data } = await first.client.query({ query });
    await second.client.query({ query });

    assert.equal(data.serverInfo.name, "Cuepoint");
    assert.equal(first.exchanges.length, 2); // the hash, then the text
    assert.equal(second.exchanges.length, 1);
    const [{ url, body }] = second.exchanges;
    assert(!`${url}${body}`.includes("serverInfo"));
  });
}

test("a subscription over multipart tells its whole story", LIMIT, async () => {
  const { client, exchanges } = connect();
  const { id: jobId } = await startJob(6);

  const query = gql(await operation("JobProgress"));
  const all = await collect((sink) => client.subscribe({ query, variables: { jobId, after: 0 } }).subscribe(sink));

  assertWholeStory(all.map(({ data }) => data.jobProgress));
  assert.match(exchanges[0].type, /^multipart\/mixed;boundary="graphql";subscriptionSpec=1\.0/);
});

test("a subscription that may not be is an error", LIMIT, async () => {
  const { client } = connect();
  const query = gql(await operation("JobProgress"));

  const jobId = `job_${"0".repeat(32)}`;
  const [{ error }] = await collect((sink) => client.subscribe({ query, variables: { jobId } }).subscribe(sink));

  assert.equal(error.errors[0].extensions.code, "NOT_FOUND");
});

const DEFERRED = gql`
  query Deferred($id: ID!) {
    video(id: $id) {
      id
      ... @defer(label: "more") { title project { id name } }
    }
  }
`;

for (const [name, Handler, spec] of [
  ["incrementalSpec=v0.2", GraphQL17Alpha9Handler, /incrementalSpec=v0\.2/],
  ["deferSpec=20220824", Defer20220824Handler, /deferSpec=20220824/],
]) {
  test(`@defer in the form ${name}`, LIMIT, async () => {
    const { client, exchanges } = connect({ incrementalHandler: new Handler() });
    const states = [];
    await new Promise((resolve, reject) => {
      client.watchQuery({ query: DEFERRED, variables: { id: VIDEO_ID } }).subscribe({
        next: ({ data, dataState, error }) => {
          if (error) reject(error);
          states.push(dataState);
          if (dataState === "complete") resolve(assert(data.video.project.name));
        },
        error: reject,
      });
    });

    assert.deepEqual(states.filter((state) => state !== "empty"), ["streaming", "complete"]);
    assert.match(exchanges[0].type, spec);
  });
}
