// In and out, and the clips that are cut with them: asked for, watched, offered.
import { ask, watch } from "./api.js";
import { CLIP, CLIPS, CREATE_CLIP, PROGRESS } from "./queries.js";
import { clock, fine } from "./time.js";

const OVER = ["SUCCEEDED", "FAILED", "CANCELLED"];
const STATES = { BLOCKED: "waiting", SCHEDULED: "waiting", QUEUED: "waiting", RUNNING: "cutting", FAILED: "failed", CANCELLED: "cancelled" };
const MAX_TITLE = 120;
const byId = (id) => document.getElementById(id);

export class Clips {
  constructor({ now, titleOf, onRange, say }) {
    Object.assign(this, { now, titleOf, onRange, say, start: null, end: null, shown: new Set() });
    byId("set-in").addEventListener("click", () => this.setIn());
    byId("set-out").addEventListener("click", () => this.setOut());
    byId("make-clip").addEventListener("click", () => this.make());
  }

  /** Who may only look cuts nothing. */
  allow(mayCut) {
    this.mayCut = mayCut;
    for (const id of ["set-in", "set-out", "make-clip"]) byId(id).hidden = !mayCut;
  }

  /** All of them, the oldest first: the newest stands on top in the end. */
  async load(videoId) {
    this.videoId = videoId;
    for (let after = null; ; ) {
      const { nodes, pageInfo } = (await ask(CLIPS, { id: videoId, after })).video.clips;
      for (const clip of nodes) this.show(clip);
      if (!pageInfo.hasNextPage) return;
      after = pageInfo.endCursor;
    }
  }

  setIn() {
    if (!this.mayCut) return;
    this.start = this.now();
    if (this.end !== null && this.end <= this.start) this.end = null;
    this.changed();
  }

  setOut() {
    if (!this.mayCut) return;
    this.end = this.now();
    if (this.start !== null && this.start >= this.end) this.start = null;
    this.changed();
  }

  clear() {
    this.start = this.end = null;
    this.changed();
  }

  changed() {
    for (const [name, at] of [["in", this.start], ["out", this.end]]) {
      byId(`${name}-time`).textContent = at === null ? "–" : fine(at);
      byId(`set-${name}`).classList.toggle("set", at !== null);
    }
    byId("make-clip").disabled = this.start === null || this.end === null;
    this.onRange(this.start, this.end);
  }

  async make() {
    if (this.start === null || this.end === null) return;
    const [start, end] = [Number(this.start.toFixed(3)), Number(this.end.toFixed(3))];
    const input = { videoId: this.videoId, start, end, title: this.titleOf(start).slice(0, MAX_TITLE) || null };
    const { clip, errors } = (await ask(CREATE_CLIP, { input })).createClip;
    if (errors.length) {
      this.say(errors[0].message);
      return;
    }
    this.clear();
    this.show(clip);
    this.say("The clip is being cut.");
  }

  show(clip) {
    if (this.shown.has(clip.id)) return; // it was made while the others were loaded
    this.shown.add(clip.id);
    const item = document.createElement("li");
    const name = Object.assign(document.createElement("span"), { className: "name", textContent: clip.title });
    const { startSeconds, endSeconds } = clip.requestedRange;
    const range = Object.assign(document.createElement("span"), { className: "range", textContent: `${clock(startSeconds)} – ${clock(endSeconds)} · ${(endSeconds - startSeconds).toFixed(1)} s` });
    item.append(name, range);
    byId("clips").prepend(item);
    byId("clips-section").hidden = false;
    if (clip.url) this.offer(item, clip);
    else if (clip.job) this.follow(item, clip);
  }

  async follow(item, clip) {
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: clip.job.progress });
    const state = Object.assign(document.createElement("span"), { className: "state", textContent: STATES[clip.job.status] });
    bar.setAttribute("aria-label", `Progress of ${clip.title}`);
    item.append(bar, state);
    try {
      for await (const { jobProgress } of watch(PROGRESS, { id: clip.job.id })) {
        bar.value = jobProgress.progress;
        state.textContent = jobProgress.etaSeconds ? `${Math.ceil(jobProgress.etaSeconds)} s left` : STATES[jobProgress.status];
        if (OVER.includes(jobProgress.status)) break;
      }
      const { clip: made } = await ask(CLIP, { id: clip.id });
      bar.remove();
      state.remove();
      if (made.url) this.offer(item, made);
      else this.fail(item, made.job?.error?.message ?? STATES[made.job?.status]);
    } catch (error) {
      bar.remove();
      state.remove();
      this.fail(item, error.message);
    }
  }

  fail(item, text) {
    item.append(Object.assign(document.createElement("span"), { className: "state bad", textContent: text }));
  }

  offer(item, clip) {
    const play = Object.assign(document.createElement("a"), { href: clip.url, target: "_blank", rel: "noreferrer", textContent: "Play" });
    const save = Object.assign(document.createElement("a"), { href: `${clip.url}&download`, textContent: "Download" });
    play.setAttribute("aria-label", `Play ${clip.title}`);
    save.setAttribute("aria-label", `Download ${clip.title}`);
    item.append(...(this.mayCut ? [play, save] : [play]));
  }
}
