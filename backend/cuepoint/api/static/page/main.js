// The page: signs in, loads one video through the public API, and lets its parts know of each other.
import { ask, signIn, signOut, whoWouldBe } from "./api.js";
import { Clips } from "./clips.js";
import { Player } from "./player.js";
import { SEARCH, SEGMENTS, VIDEO } from "./queries.js";
import { makeTabs, showHits, showMoments, Transcript } from "./text.js";
import { clock } from "./time.js";
import { Timeline } from "./timeline.js";

const byId = (id) => document.getElementById(id);
const EMPTY = { NO_SPEECH: "Nothing is said in this video.", NO_AUDIO: "This video has no sound." };
const PICTURE_SECONDS = 1 / 25;
const TOAST_MS = 3500;

const videoId = decodeURIComponent(location.pathname.split("/").pop());
const player = new Player();
const seek = (seconds) => player.seek(seconds);
const timeline = new Timeline(player.video, seek);
const transcript = new Transcript(seek);
const openTab = makeTabs();
const clips = new Clips({
  now: () => Math.min(player.video.currentTime, timeline.length || Infinity), // a proxy may last a little longer
  titleOf: (seconds) => transcript.textAt(seconds),
  onRange: (start, end) => timeline.select(start, end),
  say,
});
let moments = [];
let hadCode = false;
let link = null; // a share link that waits for its password

function say(text) {
  const toast = byId("said");
  toast.textContent = text;
  toast.classList.add("is-shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => toast.classList.remove("is-shown"), TOAST_MS);
}

function follow() {
  timeline.move();
  transcript.show(player.video.currentTime);
  if (!player.video.paused) requestAnimationFrame(follow);
}

function gate(message = "") {
  byId("page").hidden = true;
  byId("gate").hidden = false;
  byId("ask-form").hidden = true;
  byId("gate-error").textContent = message;
  byId("code").focus();
}

/** The code or link behind `#` leaves the address bar before anything else happens. */
async function enter() {
  const given = new URLSearchParams(location.hash.slice(1));
  const [code, share] = [given.get("code"), given.get("share")];
  hadCode = code !== null || share !== null;
  if (hadCode) history.replaceState(null, "", location.pathname + location.search);
  if (code !== null) await enterBy({ code });
  if (share !== null && (await mayReplace({ share }))) await visit(share);
  else await load();
}

/** Somebody else may have put the code there: it signs in nobody who has not said so. */
async function enterBy(credential) {
  if (await mayReplace(credential)) await signIn(credential);
}

/** Whether whoever sits here wants to be signed in by this. Without a question only where it changes nothing. */
async function mayReplace(credential) {
  const { user, current } = await whoWouldBe(credential);
  if (user === null) {
    if (current === null) return true;
    return sayYes(["You are signed in as ", ...named(current), ". Open this link as a visitor instead?"], ["Open as a visitor"]);
  }
  if (user.id === current?.id) return true; // the same person, perhaps with other rights or for longer
  const instead = current === null ? [] : [" You are signed in as ", ...named(current), "."];
  const question = ["Sign in as ", ...named(user), "?", ...instead, " Go on only if you made this link, or know who sent it."];
  return sayYes(question, ["Sign in as ", apart(user.email)]);
}

/** The address first, which nobody chooses for themselves; neither text reaches beyond its place. */
const named = ({ name, email }) => [apart(email), " (", apart(name), ")"];

function apart(text) {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}

/** A person's answer to a question, of texts and elements, that takes the place of the form. */
async function sayYes(question, yes) {
  byId("ask-text").replaceChildren(...question);
  byId("ask-yes").replaceChildren(...yes);
  for (const [id, isHidden] of [["page", true], ["gate", false], ["gate-text", true], ["code-form", true], ["ask-form", false]]) byId(id).hidden = isHidden;
  byId("ask-no").focus();
  const isYes = await new Promise((resolve) => {
    byId("ask-yes").onclick = () => resolve(true);
    byId("ask-no").onclick = () => resolve(false);
  });
  for (const [id, isHidden] of [["gate", true], ["gate-text", false], ["code-form", false], ["ask-form", true]]) byId(id).hidden = isHidden;
  return isYes;
}

/** Whoever came by a link may need its password, which the same form asks for. */
async function visit(share, password) {
  try {
    await signIn(password === undefined ? { share } : { share, password });
  } catch (error) {
    if (error.code !== "SHARE_PASSWORD_WRONG") throw error;
    link = share;
    byId("gate-text").textContent = "Whoever shared this video protected it by a password.";
    byId("code-label").textContent = "Password";
    byId("code").type = "password";
    byId("code").autocomplete = "current-password";
    gate(password === undefined ? "" : error.message);
    return;
  }
  await load();
}

async function load() {
  if (!videoId) {
    byId("gate-text").textContent = "You are signed in. Open a video: its address is this one with the video's id behind it.";
    byId("code-form").hidden = true;
    gate();
    return;
  }
  const { video } = await ask(VIDEO, { id: videoId });
  if (!video) {
    byId("gate-text").textContent = "There is no such video, or you may not see it.";
    byId("code-form").hidden = true;
    gate();
    return;
  }
  document.title = `${video.title} · Cuepoint`;
  byId("title").textContent = video.title;
  byId("facts").textContent = [video.width && `${video.width} × ${video.height}`, video.status === "PROCESSING" && "still being worked on"].filter(Boolean).join(" · ");
  byId("length").textContent = clock(video.durationSeconds ?? 0);
  byId("sign-out").hidden = false;
  byId("gate").hidden = true;
  byId("page").hidden = false;
  clips.allow(["OWNER", "EDITOR"].includes(video.project?.viewerRole));
  player.load(video);
  timeline.load(video);
  moments = video.moments.nodes.map((moment) => ({ ...moment, kind: "moment" }));
  showMoments(moments, seek);
  timeline.mark(moments);
  await Promise.all([clips.load(video.id), loadLines(video)]);
}

async function loadLines({ id, transcript: said }) {
  if (!said) transcript.say("There is no transcript yet.");
  else if (said.emptyReason) transcript.say(EMPTY[said.emptyReason] ?? "Nothing is said in this video.");
  for (let after = null; said && !said.emptyReason; ) {
    const { nodes, pageInfo } = (await ask(SEGMENTS, { id, after })).video.transcript.segments;
    transcript.add(nodes);
    transcript.show(player.video.currentTime);
    if (!pageInfo.hasNextPage) return;
    after = pageInfo.endCursor;
  }
}

async function search(query) {
  const isWanted = query.trim() !== "";
  const hits = isWanted ? (await ask(SEARCH, { query, video: videoId })).semanticSearch.hits : [];
  byId("tab-hits").hidden = !isWanted;
  showHits(hits, seek);
  timeline.mark([...moments, ...hits.map((hit) => ({ ...hit, title: hit.text, kind: "hit" }))]);
  openTab(isWanted ? "hits" : "transcript");
  byId("announced").textContent = isWanted ? `${hits.length} ${hits.length === 1 ? "passage" : "passages"} found.` : "";
}

const KEYS = {
  " ": () => player.toggle(),
  k: () => player.toggle(),
  ArrowLeft: () => player.by(-5),
  ArrowRight: () => player.by(5),
  j: () => player.by(-10),
  l: () => player.by(10),
  ",": () => player.by(-PICTURE_SECONDS),
  ".": () => player.by(PICTURE_SECONDS),
  ArrowUp: () => transcript.step(player.video.currentTime, -1),
  ArrowDown: () => transcript.step(player.video.currentTime, 1),
  i: () => clips.setIn(),
  o: () => clips.setOut(),
  c: () => clips.make().catch(failed),
  Escape: () => clips.clear(),
  m: () => player.mute(),
  f: () => player.fill(),
  "/": () => byId("query").focus(),
  "?": () => byId("help").showModal(),
};

function pressed(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open || byId("page").hidden) return;
  if (target.matches("input, select, textarea")) {
    if (key === "Escape") target.blur();
    return;
  }
  if ([" ", "Enter"].includes(key) && target.matches("button, a")) return;
  const action = KEYS[key.length === 1 ? key.toLowerCase() : key];
  if (!action) return;
  event.preventDefault();
  action();
}

function failed(error) {
  if (["UNAUTHENTICATED", "NOT_FOUND"].includes(error.code) && !byId("gate").hidden) gate(error.message);
  else if (error.code === "UNAUTHENTICATED") gate(error.message);
  else say(error.message);
}

addEventListener("keydown", pressed);
for (const change of ["play", "timeupdate", "seeking", "seeked", "loadedmetadata"]) player.video.addEventListener(change, follow);
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search(byId("query").value).catch(failed);
});
byId("query").addEventListener("search", () => byId("query").value === "" && search("").catch(failed));
byId("help-button").addEventListener("click", () => byId("help").showModal());
byId("sign-out").addEventListener("click", () => signOut().then(() => location.reload()));
byId("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("gate-error").textContent = "";
  const given = byId("code").value.trim();
  (link === null ? signIn({ code: given }).then(load) : visit(link, given)).catch(failed);
});

enter().catch((error) => gate(hadCode || error.code !== "UNAUTHENTICATED" ? error.message : ""));
