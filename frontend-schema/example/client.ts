// A small typed client: Apollo Client 4 over HTTP and WebSocket, tus for the bytes. Types and documents in graphql.ts
// are generated from the schema and the operations beside it (codegen.json); `make test-clients` generates them,
// checks this file against them, and runs it.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode, print } from "graphql";
import { createClient, type Client } from "graphql-ws";
import * as tus from "tus-js-client";

import {
  ClipsDocument,
  CreateClipDocument,
  CreateUploadDocument,
  JobProgressDocument,
  RegisterVideoDocument,
  SemanticSearchDocument,
  type CreateClipMutation,
  type JobProgressSubscription,
  type JobProgressSubscriptionVariables,
  type RegisterVideoMutation,
  type SemanticSearchQuery,
} from "./graphql.js";
import possibleTypes from "../possibleTypes.json" with { type: "json" };

const PIECE_BYTES = 16 * 1024 * 1024;
const PAUSE_MS = 1000;
const PING_MS = 10_000;
const PONG_MS = 5_000;
const FINAL: readonly string[] = ["SUCCEEDED", "FAILED", "CANCELLED"];

export type JobUpdate = JobProgressSubscription["jobProgress"];
export type Hit = SemanticSearchQuery["semanticSearch"]["hits"][number];
type Refusal = { code: string; message: string };

/** While the database is away the same succeeds later. */
function isAway(error: { extensions?: Record<string, unknown> }): boolean {
  return error.extensions?.code === "DATABASE_UNAVAILABLE";
}

/** By the schema, or by the protocol: the same fails again. 4499 is our own `terminate`. */
function isRefusal(error: unknown): boolean {
  const { code = 0 } = error as { code?: number };
  return Array.isArray(error) ? !error.some(isAway) : code >= 4400 && code < 4499;
}

/** A mutation was refused: `errors` says why, and nothing has changed. */
export class RefusedError extends Error {
  constructor(readonly errors: readonly Refusal[]) {
    super(errors.map(({ code, message }) => `${code}: ${message}`).join("; "));
  }
}

/** The payload, or a RefusedError. */
function carriedOut<T extends { errors: readonly Refusal[] }>(payload: T | undefined): T {
  if (payload === undefined) throw new Error("The answer has no data.");
  if (payload.errors.length > 0) throw new RefusedError(payload.errors);
  return payload;
}

export class Cuepoint {
  readonly socket: Client;
  readonly apollo: ApolloClient;
  readonly #authorization: string;

  constructor(url: string, token: string) {
    this.#authorization = `Bearer ${token}`;
    let unanswered: ReturnType<typeof setTimeout> | undefined;
    this.socket = createClient({
      url: `${url.replace(/^http/, "ws")}/graphql`,
      connectionParams: () => ({ Authorization: this.#authorization }),
      retryAttempts: 0, // `watch` goes on by itself, with the right `after`
      keepAlive: PING_MS, // after a sleep a connection may be dead without a word: it is given up
      on: {
        ping: (received) => {
          if (!received) unanswered = setTimeout(() => this.socket.terminate(), PONG_MS);
        },
        pong: () => clearTimeout(unanswered),
        closed: () => clearTimeout(unanswered),
      },
    });
    const http = new HttpLink({ uri: `${url}/graphql`, headers: { Authorization: this.#authorization } });
    this.apollo = new ApolloClient({
      cache: new InMemoryCache({
        possibleTypes,
        typePolicies: { Query: { fields: { clips: relayStylePagination(["videoId"]) } } },
      }),
      link: ApolloLink.split(
        ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
        new GraphQLWsLink(this.socket),
        http,
      ),
    });
  }

  /** Send a file and make a video of it. Both mutations may be repeated after a broken line: they carry a key. */
  async upload(
    projectId: string,
    file: File,
    onProgress: (share: number) => void,
  ): Promise<RegisterVideoMutation["registerVideo"]> {
    const created = await this.apollo.mutate({
      mutation: CreateUploadDocument,
      variables: {
        input: { projectId, filename: file.name, sizeBytes: file.size, idempotencyKey: crypto.randomUUID() },
      },
    });
    const { upload } = carriedOut(created.data?.createUpload);
    if (!upload) throw new Error("The project has this file already.");
    await new Promise<void>((onSuccess, onError) => {
      new tus.Upload(file, {
        uploadUrl: upload.url,
        chunkSize: PIECE_BYTES,
        headers: { Authorization: this.#authorization },
        onProgress: (sent, total) => onProgress(total ? sent / total : 1),
        onSuccess: () => onSuccess(),
        onError,
      }).start();
    });
    const registered = await this.apollo.mutate({
      mutation: RegisterVideoDocument,
      variables: { input: { uploadId: upload.id, idempotencyKey: crypto.randomUUID() } },
    });
    return carriedOut(registered.data?.registerVideo);
  }

  /**
   * A job until it is over: a snapshot, then every change of state exactly once, whatever happens to the line.
   * `after` is the number of the last event seen (`seq`), to go on after a reload; null: from now on.
   */
  async *watch(jobId: string, after: number | null = null): AsyncGenerator<JobUpdate> {
    for (;;) {
      try {
        const query = print(JobProgressDocument);
        const variables: JobProgressSubscriptionVariables = { jobId, after };
        for await (const { data, errors } of this.socket.iterate<JobProgressSubscription>({ query, variables })) {
          if (errors) throw errors;
          if (!data) continue;
          const update: JobUpdate = data.jobProgress;
          if (update.type !== "SNAPSHOT" || after === null) after = update.seq;
          yield update;
          if (FINAL.includes(update.status) && update.seq === after) return;
        }
      } catch (error) {
        if (isRefusal(error)) throw error;
      }
      await new Promise((wait) => setTimeout(wait, PAUSE_MS));
    }
  }

  /** Passages by meaning. */
  async search(query: string): Promise<readonly Hit[]> {
    const { data } = await this.apollo.query({ query: SemanticSearchDocument, variables: { query } });
    return data?.semanticSearch.hits ?? [];
  }

  /** Cut a clip; the list of the video's clips in the cache has it at once. */
  async cut(videoId: string, start: number, end: number): Promise<CreateClipMutation["createClip"]> {
    const { data } = await this.apollo.mutate({
      mutation: CreateClipDocument,
      variables: { input: { videoId, start, end, idempotencyKey: crypto.randomUUID() } },
      refetchQueries: [{ query: ClipsDocument, variables: { videoId } }],
      awaitRefetchQueries: true,
    });
    return carriedOut(data?.createClip);
  }

  async close(): Promise<void> {
    this.apollo.stop();
    await this.socket.dispose();
  }
}
