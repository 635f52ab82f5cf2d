// The time line: waveform, playhead, in and out, what lies on it, and a picture of where the pointer is.
import { clock, spoken } from "./time.js";

const STEP_SECONDS = 5;
const byId = (id) => document.getElementById(id);

export class Timeline {
  constructor(video, onSeek) {
    this.video = video;
    this.onSeek = onSeek;
    this.length = 0;
    this.marks = [];
    this.scrubber = byId("scrubber");
    this.canvas = byId("wave");
    this.listen();
  }

  /** Show another video. */
  load({ durationSeconds, waveform, storyboard }) {
    this.length = durationSeconds ?? 0;
    this.waveform = waveform;
    this.storyboard = storyboard;
    this.scrubber.setAttribute("aria-valuemax", Math.round(this.length));
    this.draw();
    this.move();
  }

  /** Moments and hits, each {startSeconds, endSeconds, title, kind}. */
  mark(marks) {
    this.marks = marks;
    byId("lanes").replaceChildren(
      ...marks.map((mark) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = mark.kind;
        button.tabIndex = -1; // the same is in the lists beside, where the keyboard reaches it
        button.setAttribute("aria-label", `${mark.title}, ${spoken(mark.startSeconds)}`);
        button.style.left = this.percent(mark.startSeconds);
        button.style.width = this.percent(Math.max(0, mark.endSeconds - mark.startSeconds));
        button.addEventListener("click", () => this.onSeek(mark.startSeconds));
        button.addEventListener("pointerenter", () => this.preview(mark.startSeconds, mark.title));
        button.addEventListener("pointerleave", () => this.hidePreview());
        return button;
      }),
    );
  }

  /** The stretch between in and out; null where one is not set. */
  select(start, end) {
    const area = byId("selection");
    area.hidden = start === null && end === null;
    area.style.left = this.percent(start ?? end);
    area.style.width = start !== null && end !== null ? this.percent(end - start) : "0%";
  }

  /** The playhead is where the player is. */
  move() {
    const now = this.video.currentTime;
    byId("playhead").style.left = this.percent(now);
    this.scrubber.setAttribute("aria-valuenow", Math.round(now));
    this.scrubber.setAttribute("aria-valuetext", `${spoken(now)} of ${spoken(this.length)}`);
    this.draw();
  }

  percent(seconds) {
    return `${this.length ? Math.min(100, (100 * seconds) / this.length) : 0}%`;
  }

  secondsAt(event) {
    const box = this.scrubber.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.length;
  }

  listen() {
    const { scrubber } = this;
    scrubber.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      scrubber.setPointerCapture(event.pointerId);
      this.isDragging = true;
      this.onSeek(this.secondsAt(event));
    });
    scrubber.addEventListener("pointermove", (event) => {
      const at = this.secondsAt(event);
      if (this.isDragging) this.onSeek(at);
      this.preview(at, this.marks.find((mark) => mark.startSeconds <= at && at < mark.endSeconds)?.title ?? "");
    });
    for (const end of ["pointerup", "pointercancel"]) scrubber.addEventListener(end, () => (this.isDragging = false));
    scrubber.addEventListener("pointerleave", () => this.hidePreview());
    scrubber.addEventListener("keydown", (event) => {
      const targets = { Home: 0, End: this.length, PageUp: this.video.currentTime + 6 * STEP_SECONDS, PageDown: this.video.currentTime - 6 * STEP_SECONDS };
      if (!(event.key in targets)) return;
      event.preventDefault();
      this.onSeek(targets[event.key]);
    });
    new ResizeObserver(() => this.draw()).observe(scrubber);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** A picture of that moment above the pointer. */
  preview(at, name = "") {
    const [box, picture, cursor] = [byId("preview"), byId("preview-picture"), byId("cursor")];
    byId("preview-time").textContent = clock(at);
    byId("preview-name").textContent = name;
    cursor.hidden = false;
    cursor.style.left = this.percent(at);
    picture.hidden = !this.storyboard;
    if (this.storyboard) this.showTile(picture, at);
    box.hidden = false;
    const whole = this.scrubber.getBoundingClientRect().width;
    const half = box.offsetWidth / 2;
    const x = this.length ? (at / this.length) * whole : 0;
    box.style.left = `${Math.min(whole - half, Math.max(half, x))}px`;
  }

  showTile(picture, at) {
    const { tileWidth, tileHeight, columns, rows, intervalSeconds, tileCount, sheets } = this.storyboard;
    const scale = Math.min(1, 200 / tileWidth, 160 / tileHeight);
    const tile = Math.min(tileCount - 1, Math.floor(at / intervalSeconds));
    const [sheet, place] = [Math.floor(tile / (columns * rows)), tile % (columns * rows)];
    const [x, y] = [place % columns, Math.floor(place / columns)];
    picture.dataset.tile = tile;
    picture.style.width = `${tileWidth * scale}px`;
    picture.style.height = `${tileHeight * scale}px`;
    picture.style.backgroundImage = `url("${sheets[sheet].url}")`;
    picture.style.backgroundSize = `${columns * tileWidth * scale}px auto`;
    picture.style.backgroundPosition = `-${x * tileWidth * scale}px -${y * tileHeight * scale}px`;
  }

  hidePreview() {
    byId("preview").hidden = true;
    byId("cursor").hidden = true;
  }

  /** The waveform: what was played in the accent's colour. Without sound it is a line. */
  draw() {
    const { canvas, waveform, length } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const brush = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const [still, played] = [style.getPropertyValue("--wave"), style.getPropertyValue("--accent")];
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, height);
    const middle = height / 2;
    const reached = length ? (this.video.currentTime / length) * width : 0;
    const loudest = waveform ? Math.max(16, ...waveform.peaks.map(Math.abs)) : 1;
    for (let x = 0; x < width; x += 3) {
      const [low, high] = this.peak((x / width) * length, ((x + 3) / width) * length);
      const [above, below] = [(high / loudest) * (middle - 7), (-low / loudest) * (middle - 7)];
      brush.fillStyle = x < reached ? played : still;
      brush.fillRect(x, middle - Math.max(0.75, above), 2, Math.max(1.5, above + below));
    }
  }

  /** The least and greatest sample between two times. */
  peak(start, end) {
    if (!this.waveform) return [0, 0];
    const { startSeconds, durationSeconds, samples, peaks } = this.waveform;
    const at = (seconds) => ((seconds - startSeconds) / durationSeconds) * samples;
    let [low, high] = [0, 0];
    for (let i = Math.max(0, Math.floor(at(start))); i < Math.min(samples, Math.max(Math.floor(at(start)) + 1, at(end))); i += 1) {
      low = Math.min(low, peaks[2 * i]);
      high = Math.max(high, peaks[2 * i + 1]);
    }
    return [low, high];
  }
}
