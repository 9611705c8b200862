import path from 'node:path';
import { MAX_RANKS } from '../config.js';
import { LockstepError } from '../errors.js';
import { checkOutput, identityOf, type RankFile, staleRankFiles } from '../output/index.js';
import { STDIN } from './stdin.js';

/** Options with the files they name; those that are not given are undefined. */
type NamedFiles = Readonly<Record<string, string | readonly string[] | undefined>>;

const STANDARD_OUTPUT = 1;

/**
 * Files that options of several commands name, of the flags of any, and the file that the engine of theirs was read from: what is no file,
 * such as the name of a policy or a launch line, matches no output. Files of models are in `modelFiles`.
 */
export function inputsOf(flags: object, engine: { readonly configFile?: string } | null = null): NamedFiles {
  const said = flags as Readonly<Record<string, unknown>>;
  const fileOf = (name: string): string | undefined => {
    const text = said[name];
    return typeof text === 'string' ? text : undefined;
  };
  const engineConfig = fileOf('engineConfig');
  const settings = engine?.configFile;
  const [, shape] = fileOf('costModel')?.match(/:(.*)$/s) ?? [];
  return {
    '--config': fileOf('config'),
    '--engine': given(fileOf('engine'), engineConfig === undefined ? settings : undefined),
    '--engine-config': engineConfig === undefined ? [] : given(engineConfig, settings),
    '--model-config': shapeFiles(fileOf('modelConfig')),
    '--cost-model': shapeFiles(shape),
    '--cost': fileOf('cost'),
    '--policy': fileOf('policy'),
    '--plan': fileOf('plan'),
    '--trace': fileOf('trace'),
  };
}

function given(...files: readonly (string | undefined)[]): string[] {
  return files.filter((file) => file !== undefined);
}

/** Files that the shape of a model may be read from: the one named, or the config.json of a folder. */
function shapeFiles(named: string | undefined): string[] {
  return named === undefined ? [] : [named, path.join(named, 'config.json')];
}

/** Files of ranks in a folder: a run replaces those of its own ranks, and removes those of others. */
export function rankFiles(folder: string, fileOf: RankFile): string[] {
  const all = Array.from({ length: MAX_RANKS }, (_, rank) => fileOf(folder, rank));
  return [...all, ...staleRankFiles(folder, MAX_RANKS, fileOf)];
}

/**
 * Refuses an output that would replace a file which is read, another output, or the file that standard output goes to. Devices and
 * pipes may be named twice. Errors: ERR_CONFIG_INVALID.
 */
export function checkOutputs(inputs: NamedFiles, outputs: NamedFiles): void {
  const taken = filesOf(inputs).map(({ option, file }) => ({
    option,
    identity: identityOf(file === STDIN ? 0 : file),
  }));
  taken.push({ option: 'standard output', identity: identityOf(STANDARD_OUTPUT) });
  for (const { option, file } of filesOf(outputs)) {
    const identity = identityOf(file);
    const other = taken.find((one) => identity !== null && one.identity === identity);
    if (other !== undefined) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `${option} ${file} is the file of ${other.option} too, and would replace it; give another`,
        { options: [other.option, option], file },
      );
    }
    taken.push({ option, identity });
  }
}

/**
 * Looks, before long work, whether outputs can be written and no other run writes them. Changes nothing. Errors: ERR_INPUT_INVALID,
 * ERR_ABORTED.
 */
export async function checkWritable(files: readonly (string | undefined)[], signal: AbortSignal): Promise<void> {
  for (const file of files) if (file !== undefined) await checkOutput(file, signal);
}

function filesOf(named: NamedFiles): { readonly option: string; readonly file: string }[] {
  return Object.entries(named).flatMap(([option, files = []]) =>
    (typeof files === 'string' ? [files] : files).map((file) => ({ option, file })),
  );
}
