// The player: which file, what its buttons do, and what it shows of its state.
import { clock } from "./time.js";

const byId = (id) => document.getElementById(id);

export class Player {
  constructor() {
    this.video = byId("video");
    this.listen();
  }

  /** Play this video. Where its file does not play, the proxy takes its place. */
  load({ playback, proxy, original, poster, status, width }) {
    const { video } = this;
    const sources = [playback, proxy, original].filter(Boolean);
    byId("screen").classList.toggle("sound-only", width === null && status !== "PROBING");
    if (poster) video.poster = poster.url;
    if (playback?.contentType?.startsWith("image/")) {
      video.poster = playback.url;
      video.controls = false;
      return;
    }
    const next = () => {
      const source = sources.shift();
      if (source) {
        this.note("");
        video.src = source.url;
      } else {
        video.removeAttribute("src");
        this.note("This file cannot be played in a browser, and a copy that can is not there yet.");
      }
    };
    video.onerror = next;
    next();
  }

  note(text) {
    byId("screen-note").textContent = text;
    byId("screen-note").hidden = !text;
  }

  toggle() {
    if (this.video.paused) this.video.play().catch(() => this.note("The browser would not play this file."));
    else this.video.pause();
  }

  seek(seconds) {
    const end = Number.isFinite(this.video.duration) ? this.video.duration : Infinity;
    this.video.currentTime = Math.min(end, Math.max(0, seconds));
  }

  by(seconds) {
    this.seek(this.video.currentTime + seconds);
  }

  mute() {
    this.video.muted = !this.video.muted;
  }

  fill() {
    if (document.fullscreenElement) document.exitFullscreen();
    else byId("screen").requestFullscreen?.();
  }

  listen() {
    const { video } = this;
    const whole = document.body.classList;
    for (const id of ["play", "big-play"]) byId(id).addEventListener("click", () => this.toggle());
    video.addEventListener("click", () => this.toggle());
    byId("back").addEventListener("click", () => this.by(-10));
    byId("ahead").addEventListener("click", () => this.by(10));
    byId("mute").addEventListener("click", () => this.mute());
    byId("full").addEventListener("click", () => this.fill());
    byId("speed").addEventListener("change", (event) => (video.playbackRate = Number(event.target.value)));
    for (const change of ["play", "pause", "ended"]) {
      video.addEventListener(change, () => {
        whole.toggle("is-playing", !video.paused);
        for (const id of ["play", "big-play"]) byId(id).setAttribute("aria-label", video.paused ? "Play" : "Pause");
      });
    }
    video.addEventListener("volumechange", () => {
      whole.toggle("is-muted", video.muted);
      byId("mute").setAttribute("aria-pressed", video.muted);
    });
    for (const change of ["timeupdate", "seeking", "loadedmetadata"]) {
      video.addEventListener(change, () => (byId("now").textContent = clock(video.currentTime)));
    }
  }
}
