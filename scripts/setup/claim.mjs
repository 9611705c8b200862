import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing } from './files.mjs';

/** A holder whose processes cannot be seen from here is taken for dead when its claim has not been touched for so long. */
const SILENT_MS = 60_000;
const TOUCH_MS = 5_000;
const GIVE_UP_MS = 30 * 60_000;

/**
 * @typedef {{ pid: number, start: string, what: string }} Holder
 * @typedef {{ place: string, processes: Holder[] }} ClaimRecord
 */

/**
 * The right to change this checkout, held by one set-up at a time.
 *
 * Each contender publishes a file of its own in `folder`, then looks for others: if one is alive, it withdraws and tries again.
 * Of two that publish at once at least one sees the other, so never do both go on. No name is ever used twice, so removing the
 * claim of a dead process cannot hit a living one. A claim lives while its set-up or any child it started does: a killed
 * set-up's `npm ci` may still be writing.
 */
export class Claim {
  /** @type {string} */ #file;
  /** @type {Holder[]} */ #processes;
  /** @type {NodeJS.Timeout | undefined} */ #touching;

  /**
   * @param {string} folder
   * @param {number} [pid]
   */
  constructor(folder, pid = process.pid) {
    this.#file = path.join(folder, `${pid}-${randomBytes(6).toString('hex')}.json`);
    this.#processes = [{ pid, start: startOf(pid) ?? '', what: 'set-up' }];
  }

  /**
   * Waits for the right and takes it.
   * @param {string} folder
   * @param {{ onWait?: (holder: string) => void, giveUpMs?: number, touchMs?: number }} [options]
   * @returns {Promise<Claim>}
   */
  static async take(folder, { onWait = () => {}, giveUpMs = GIVE_UP_MS, touchMs = TOUCH_MS } = {}) {
    mkdirSync(folder, { recursive: true });
    const claim = new Claim(folder);
    const until = Date.now() + giveUpMs;
    let told = false;
    for (;;) {
      let rival = livingClaim(folder, claim.#file);
      if (rival === undefined) {
        claim.#publish();
        rival = livingClaim(folder, claim.#file);
        if (rival === undefined) break;
        claim.#withdraw();
      }
      if (Date.now() > until) throw new Error(`waited too long for ${rival}: end it, then try again`);
      if (!told) onWait(rival);
      told = true;
      await sleep(50 + Math.random() * 100);
    }
    claim.#touching = setInterval(() => claim.#touch(), touchMs).unref();
    return claim;
  }

  /**
   * Keeps the claim alive for as long as this child runs, whatever becomes of its set-up. Returns what to call when it has ended.
   * @param {number} pid
   * @param {string} what
   */
  cover(pid, what) {
    const holder = { pid, start: startOf(pid) ?? '', what };
    this.#processes.push(holder);
    this.#publish();
    return () => {
      this.#processes = this.#processes.filter((other) => other !== holder);
      this.#publish();
    };
  }

  release() {
    clearInterval(this.#touching);
    this.#withdraw();
  }

  /** Somebody may have removed .setup meanwhile. */
  #touch() {
    try {
      utimesSync(this.#file, new Date(), new Date());
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#publish();
    }
  }

  #publish() {
    mkdirSync(path.dirname(this.#file), { recursive: true });
    const part = `${this.#file}.part`;
    writeFileSync(part, JSON.stringify({ place: placeOf(), processes: this.#processes }));
    renameSync(part, this.#file);
  }

  #withdraw() {
    rmSync(this.#file, { force: true });
    rmSync(`${this.#file}.part`, { force: true });
  }
}

/**
 * Names a living holder other than `own`, and removes the claims of dead ones.
 * @param {string} folder
 * @param {string} own
 * @returns {string | undefined}
 */
function livingClaim(folder, own) {
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name);
    if (file === own || !name.endsWith('.json')) continue;
    const holder = holderOf(file);
    if (holder !== undefined) return holder;
    rmSync(file, { force: true });
  }
  return undefined;
}

/** @param {string} file */
function holderOf(file) {
  try {
    /** @type {ClaimRecord | null} */
    const record = JSON.parse(readFileSync(file, 'utf8'));
    if (record === null) return undefined;
    if (record.place !== placeOf()) {
      return Date.now() - statSync(file).mtimeMs < SILENT_MS ? `a set-up on ${record.place}` : undefined;
    }
    const alive = record.processes.find(({ pid, start }) => startOf(pid) === start);
    return alive && `process ${alive.pid} (${alive.what})`;
  } catch (error) {
    // Claims are put in place whole: one cut short is what a machine that went down left.
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Where process ids mean what they mean here. */
function placeOf() {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/**
 * When a process started, so that a reused id is not taken for it; undefined if it is gone or a zombie.
 * @param {number} pid
 * @returns {string | undefined}
 */
function startOf(pid) {
  if (process.platform !== 'linux') return exists(pid) ? '' : undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function exists(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
