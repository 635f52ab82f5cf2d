// The running product: its environment comes from run.py.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

const { CUEPOINT_URL, CUEPOINT_TOKEN, VIDEO_ID: videoId } = process.env;
assert(CUEPOINT_URL && CUEPOINT_TOKEN, "start these suites by `make conformance`");

export const VIDEO_ID = videoId;
export const ENDPOINT = `${CUEPOINT_URL}/graphql`;
export const SOCKET = ENDPOINT.replace(/^http/, "ws");
export const AUTHORIZATION = `Bearer ${CUEPOINT_TOKEN}`;
export const FINAL = ["SUCCEEDED", "FAILED", "CANCELLED"];

/** Text of an example operation. */
export const operation = (name) =>
  readFile(new URL(`../../frontend-schema/operations/${name}.graphql`, import.meta.url), "utf8");

/** Find the moments of the sample anew: a job of about a second. Wishes differ, so that no job joins another. */
export async function startJob(minDuration) {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    headers: { Authorization: AUTHORIZATION, "Content-Type": "application/json" },
    body: JSON.stringify({
      query: await operation("GenerateMoments"),
      variables: { input: { videoId: VIDEO_ID, minDuration } },
    }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  assert.deepEqual(data.generateMoments.errors, []);
  return data.generateMoments.job;
}

/** All values of a subscription until it completes. */
export const collect = (subscribe) =>
  new Promise((resolve, reject) => {
    const values = [];
    subscribe({ next: (value) => values.push(value), error: reject, complete: () => resolve(values) });
  });

/** Holds that these are a job's updates from its snapshot to its end, no event twice and none missing. */
export function assertWholeStory(updates) {
  const events = updates.filter(({ type }) => type === "EVENT").map(({ seq }) => seq);
  assert.equal(updates[0].type, "SNAPSHOT");
  assert.deepEqual(events, events.map((_, index) => index + 1));
  assert.equal(updates.at(-1).status, "SUCCEEDED");
}
