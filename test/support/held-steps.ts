import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Steps of `test/fixtures/service/hash-forward.mjs` that last until the test lets them go, so that requests are under way for as long as it needs. */
export class HeldSteps implements Disposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'lockstep-held-'));
  /** What the data of the forward has as `hold`. */
  readonly hold: string = path.join(this.#folder, 'from');

  /** From now on, steps with a token at this position or a later one are held, and the other ranks wait for them. */
  from(position: number): this {
    writeFileSync(this.hold, String(position));
    return this;
  }

  release(): void {
    rmSync(this.hold, { force: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
