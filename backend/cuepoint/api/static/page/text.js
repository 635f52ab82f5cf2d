// What is said: the lines that follow the player and seek, the moments, and what a search found.
import { clock, spoken } from "./time.js";

const byId = (id) => document.getElementById(id);

/** A button with a time and a text, that seeks. */
function entry(seconds, content, onSeek) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const time = document.createElement("time");
  time.textContent = clock(seconds);
  time.dateTime = `PT${seconds}S`;
  time.setAttribute("aria-label", spoken(seconds));
  button.type = "button";
  button.append(time, content);
  button.addEventListener("click", () => onSeek(seconds));
  item.append(button);
  return item;
}

function span(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element;
}

export class Transcript {
  constructor(onSeek) {
    this.onSeek = onSeek;
    this.lines = [];
    this.current = -1;
    this.follows = true;
    this.panel = byId("transcript");
    for (const moved of ["wheel", "touchmove"]) {
      this.panel.addEventListener(moved, () => this.letGo(), { passive: true });
    }
    byId("follow").addEventListener("click", () => this.takeUp());
  }

  /** More lines behind those that are there. */
  add(segments) {
    for (const segment of segments) {
      const item = entry(segment.startSeconds, span(segment.text.trim()), (seconds) => {
        this.takeUp();
        this.onSeek(seconds);
      });
      this.lines.push({ ...segment, button: item.firstChild });
      byId("lines").append(item);
    }
  }

  say(note) {
    byId("transcript-note").textContent = note;
    byId("transcript-note").hidden = false;
  }

  /** The line being said is marked, and in sight while the list follows. */
  show(now) {
    const index = this.indexAt(now);
    if (index === this.current) return;
    this.lines[this.current]?.button.removeAttribute("aria-current");
    this.current = index;
    const line = this.lines[index];
    if (!line) return;
    line.button.setAttribute("aria-current", "true");
    if (this.follows) this.reveal(line.button);
  }

  /** Place of the last line that has begun; -1 before the first, or long after the last one ended. */
  indexAt(now) {
    let [low, high] = [0, this.lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle].startSeconds <= now + 0.02) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** What is being said at that time; empty before the first line. */
  textAt(now) {
    return this.lines[this.indexAt(now)]?.text.trim() ?? "";
  }

  /** Seek by whole lines. */
  step(now, by) {
    const line = this.lines[Math.min(this.lines.length - 1, Math.max(0, this.indexAt(now) + by))];
    if (line) this.onSeek(line.startSeconds);
  }

  reveal(button) {
    const [box, frame] = [button.getBoundingClientRect(), this.panel.getBoundingClientRect()];
    const offset = box.top - frame.top - frame.height * 0.35;
    const isFar = Math.abs(offset) > frame.height * 1.5;
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.panel.scrollBy({ top: offset, behavior: isFar || isCalm ? "auto" : "smooth" });
  }

  letGo() {
    if (this.panel.scrollHeight <= this.panel.clientHeight + 4 || this.lines.length === 0) return;
    this.setFollowing(false);
  }

  setFollowing(follows) {
    this.follows = follows;
    byId("follow").dataset.wanted = !follows;
    byId("follow").hidden = follows;
  }

  takeUp() {
    this.setFollowing(true);
    const line = this.lines[this.current];
    if (line) this.reveal(line.button);
  }
}

/** The moments as cards. */
export function showMoments(moments, onSeek) {
  byId("moment-count").textContent = moments.length || "";
  byId("moment-list").replaceChildren(
    ...moments.map((moment) => {
      const content = document.createElement("span");
      const [title, reason] = [document.createElement("b"), document.createElement("small")];
      title.textContent = moment.title;
      reason.textContent = `${clock(moment.startSeconds)} – ${clock(moment.endSeconds)} · ${moment.reason}`;
      content.append(title, reason);
      return entry(moment.startSeconds, content, onSeek);
    }),
  );
}

/** What a search found, best first. */
export function showHits(hits, onSeek) {
  byId("hit-count").textContent = hits.length;
  const none = document.createElement("li");
  none.className = "note";
  none.textContent = "Nothing like that is said here.";
  byId("hit-list").replaceChildren(
    ...(hits.length ? hits.map((hit) => entry(hit.startSeconds, span(hit.text.trim()), onSeek)) : [none]),
  );
}

/** The tabs beside the player; returns what opens one. */
export function makeTabs() {
  const names = ["transcript", "moments", "hits"];
  const tabs = names.map((name) => byId(`tab-${name}`));
  const open = (name) => {
    names.forEach((other, place) => {
      byId(other).hidden = other !== name;
      tabs[place].setAttribute("aria-selected", other === name);
      tabs[place].tabIndex = other === name ? 0 : -1;
    });
    byId("follow").hidden = name !== "transcript" || byId("follow").dataset.wanted !== "true";
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => open(names[place]));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      const shown = tabs.filter((other) => !other.hidden);
      const next = shown[(shown.indexOf(tab) + by + shown.length) % shown.length];
      next.focus();
      next.click();
    });
  });
  return open;
}
