import type { Command } from 'commander';
import { LockstepError } from '../errors.js';
import { writeDocument } from '../output/index.js';
import { costTableText, type MeasureCostsOptions, measureCosts } from '../run/index.js';
import type { HtmlFlags } from './html.js';
import { interrupts } from './interrupts.js';
import { filesOfModel, modelLimitsSaid } from './model-options.js';
import { checkOutputs, checkWritable, inputsOf } from './outputs.js';
import { type LimitFlags, limitsOf } from './planner-options.js';
import { Progress } from './progress.js';
import type { ShowFlags } from './show.js';

interface MeasureFlags extends LimitFlags, HtmlFlags, ShowFlags {
  readonly measure: string;
  readonly device: NonNullable<MeasureCostsOptions['device']>;
  readonly out?: string;
}

/** Measures a model's decode steps and prints a cost table, or writes it to `--out`, for `--cost`. */
export async function measure(file: string | undefined, flags: MeasureFlags, command: Command): Promise<void> {
  if (file !== undefined) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--measure measures a model, and plans for no file; leave the file out',
      {
        options: ['--measure'],
      },
    );
  }
  if (flags.html !== undefined || flags.open === true) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--measure writes a table of costs, of which there is no page; leave --html and --open out',
      {
        options: ['--measure', '--html'],
      },
    );
  }
  if (flags.output !== undefined || flags.json === true) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--measure writes a table of costs in CSV, for --cost; leave --json and --output out',
      {
        options: ['--measure', '--json', '--output'],
      },
    );
  }
  const { signal } = interrupts;
  const { out, device } = flags;
  checkOutputs({ ...inputsOf(flags), '--measure': await filesOfModel(flags.measure) }, { '--out': out });
  await checkWritable([out], signal);
  const limits = modelLimitsSaid(limitsOf(flags), command);
  let progress: Progress | undefined;
  const onProgress = (done: number, of: number): void => {
    progress ??= new Progress('sizes', of);
    progress.show(done, {});
  };
  try {
    const measured = await measureCosts(flags.measure, { limits, device, signal, onProgress });
    const table = costTableText(measured);
    if (out === undefined) process.stdout.write(table);
    else await writeDocument(out, table, signal);
  } finally {
    progress?.stop();
  }
}
