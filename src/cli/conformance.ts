import { type ConformanceResult, type FamilyResult, runConformance } from '../conformance/index.js';
import { LockstepError } from '../errors.js';
import { EXIT } from './exit.js';
import { interrupts } from './interrupts.js';
import { paint } from './paint.js';
import { type ShowFlags, show } from './show.js';

/** Failed cases of a family that are written out for a person. */
const SHOWN = 3;

/** Compares this version with vectors, and prints how many agree. */
export async function conformance(folder: string | undefined, flags: ShowFlags): Promise<void> {
  try {
    const result = await runConformance({ folder, signal: interrupts.signal });
    await show(flags, {
      document: () => ({ schemaVersion: 1, ...result }),
      rows: () =>
        result.families.map(({ family, cases, passed, failed, built }) => ({
          family,
          cases,
          passed,
          failed: failed.length,
          built,
        })),
      text: () => `${lines(result).join('\n')}\n`,
    });
    if (result.failed > 0) process.exitCode = EXIT.failed;
  } catch (error) {
    if (interrupts.exitCode === null || !(error instanceof LockstepError && error.code === 'ERR_ABORTED')) throw error;
    process.stderr.write('lockstep: interrupted before the last case\n');
  }
}

function lines(result: ConformanceResult): string[] {
  const built = result.families.filter((family) => family.built);
  const others = result.families.filter((family) => !family.built);
  const width = Math.max(...result.families.map(({ family }) => family.length));
  return [
    `${'family'.padEnd(width)}  cases  passed  failed`,
    ...built.map((family) => row(family, width)),
    ...others.map(({ family, cases }) =>
      paint('dim', `${family.padEnd(width)}  ${`${cases}`.padStart(5)}  not built yet`),
    ),
    ...built.flatMap(failures),
    '',
    `${result.passed} passed, ${result.failed} failed${others.length > 0 ? `, ${others.length} families not built yet` : ''}`,
  ];
}

function row({ family, cases, passed, failed }: FamilyResult, width: number): string {
  const numbers = `${`${cases}`.padStart(5)}  ${`${passed}`.padStart(6)}  ${`${failed.length}`.padStart(6)}`;
  return `${family.padEnd(width)}  ${paint(failed.length > 0 ? 'red' : 'green', numbers)}`;
}

function failures({ family, file, failed }: FamilyResult): string[] {
  const shown = failed
    .slice(0, SHOWN)
    .flatMap(({ index, in: given, expected, found }) => [
      '',
      paint('red', `${family} case ${index}`),
      `  file      ${file}`,
      `  in        ${JSON.stringify(given)}`,
      `  expected  ${JSON.stringify(expected)}`,
      `  found     ${JSON.stringify(found)}`,
    ]);
  return failed.length > SHOWN ? [...shown, `  … ${failed.length - SHOWN} more of ${family}: --json lists all`] : shown;
}
