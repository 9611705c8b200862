import { LockstepError } from '../errors.js';
import { checkOutput, identityOf } from '../output/index.js';
import { STDIN } from './stdin.js';

/** Options with the files they name; those that are not given are undefined. */
type NamedFiles = Readonly<Record<string, string | readonly string[] | undefined>>;

const STANDARD_OUTPUT = 1;

/**
 * Files that options of several commands name, of the flags of any: what is no file, such as the name of a policy or a launch line, matches no output.
 */
export function inputsOf(flags: object): NamedFiles {
  const said = flags as Readonly<Record<string, unknown>>;
  const fileOf = (name: string, path: (text: string) => string = (text) => text): string | undefined => {
    const text = said[name];
    return typeof text === 'string' ? path(text) : undefined;
  };
  return {
    '--config': fileOf('config'),
    '--engine': fileOf('engine'),
    '--engine-config': fileOf('engineConfig', (text) => text.replace(/#[^#]*$/, '')),
    '--model-config': fileOf('modelConfig'),
    '--cost-model': fileOf('costModel', (text) => text.slice(text.indexOf(':') + 1)),
    '--cost': fileOf('cost'),
    '--policy': fileOf('policy'),
    '--plan': fileOf('plan'),
    '--trace': fileOf('trace'),
  };
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
