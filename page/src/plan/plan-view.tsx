import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useAnswer } from '../answers.js';
import { type Client, JobError } from '../client.js';
import { Fault } from '../parts.js';
import type { PlanSettings } from '../settings/fields.js';
import type { JobProgress } from '../worker/messages.js';
import { PlanForm } from './plan-form.js';
import { PlanResults } from './plan-results.js';
import { Traffic } from './traffic.js';

/** A file was read, as whose traffic it counts. The view may be left and come back to: the file stays. */
let opened: File | null = null;

/** Plans the graphs for a file, or for a generated workload, whenever a setting changes. */
export function PlanView({
  client,
  settings,
  onChange,
}: {
  readonly client: Client;
  readonly settings: PlanSettings;
  readonly onChange: (settings: PlanSettings) => void;
}): JSX.Element {
  const [file, setFile] = useState(opened);
  const [dropFault, setDropFault] = useState<string | null>(null);
  const { answer, fault, progress, busy } = useAnswer(
    client,
    'plan',
    { file, settings },
    { subject: file, settings, restMs: 150 },
  );

  const open = async (given: File): Promise<void> => {
    setDropFault(null);
    try {
      const dropped = await client.ask('identify', given);
      if (dropped.kind === 'launch') {
        onChange({ ...settings, engine: dropped.text });
        return;
      }
      opened = given;
      setFile(given);
    } catch (error) {
      if (error instanceof JobError && error.code === 'ERR_ABORTED') return;
      setDropFault(`${given.name}: ${error instanceof Error ? error.message : error}`);
    }
  };
  const close = (): void => {
    opened = null;
    setFile(null);
  };
  useDrops(open);

  return (
    <div class="plan">
      <div class="side">
        <Traffic file={file} settings={settings} onOpen={open} onClose={close} onChange={onChange} />
        <PlanForm settings={settings} answer={answer} onChange={onChange} />
      </div>
      <section aria-label="The plan" class="results" aria-busy={busy}>
        <p role="status" class="progress">
          {busy && progressText(progress)}
        </p>
        <Fault message={dropFault ?? (fault === null ? null : file === null ? fault : `${file.name}: ${fault}`)} />
        {answer !== null && <PlanResults answer={answer} settings={settings} file={file?.name ?? null} />}
      </section>
    </div>
  );
}

function progressText(progress: JobProgress | null): string {
  if (progress === null) return 'planning …';
  return progress.share === null ? `${progress.phase} …` : `${progress.phase} … ${Math.round(progress.share * 100)} %`;
}

/** Takes files and texts that are dropped anywhere on the page, or pasted outside of an input. */
function useDrops(open: (file: File) => void): void {
  useEffect(() => {
    const over = (event: DragEvent): void => event.preventDefault();
    const take = (data: DataTransfer | null): void => {
      const [file] = data?.files ?? [];
      const text = data?.getData('text/plain') ?? '';
      if (file !== undefined) open(file);
      else if (text.trim() !== '') open(new File([text], 'the text'));
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      take(event.dataTransfer);
    };
    const paste = (event: ClipboardEvent): void => {
      if (event.target instanceof HTMLElement && event.target.closest('input, textarea') !== null) return;
      take(event.clipboardData);
    };
    addEventListener('dragover', over);
    addEventListener('drop', drop);
    addEventListener('paste', paste);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('drop', drop);
      removeEventListener('paste', paste);
    };
  });
}
