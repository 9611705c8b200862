import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from './test-kernels.js';

const native = fileURLToPath(new URL('../../native', import.meta.url));

/** The addon's objects but for its JS classes, as set-up compiled them; the sources of a room of which one is missing. */
function parts(): string[] {
  return ['core', 'gpu', 'host', 'kernels'].flatMap((room) => {
    const files = readdirSync(path.join(native, room)).filter((name) => name.endsWith('.cc'));
    const sources = files.map((name) => path.join(native, room, name));
    const objects = files.map((name) =>
      path.join(native, 'build/Release/obj.target/lockstep', room, name.replace(/cc$/, 'o')),
    );
    return objects.every((object) => existsSync(object)) ? objects : sources;
  });
}

/** Links a C++ program of test/fixtures/device with what lies below the addon's JS classes; `remove()` deletes it. */
export function buildNativeProgram(source: string): { path: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-program-'));
  const program = path.join(folder, 'program');
  const file = fileURLToPath(new URL(`../fixtures/device/${source}`, import.meta.url));
  compile(['-std=c++17', '-O1', `-I${native}`, file, ...parts(), '-ldl', '-lpthread', '-o', program]);
  return { path: program, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
