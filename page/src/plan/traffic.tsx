import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import { GENERATED_REQUESTS } from '../../../dist/names.js';
import type { PlanSettings } from '../settings/fields.js';

/** Where the steps come from: a file, or a generated workload; and the launch line of an engine. */
export function Traffic({
  file,
  settings,
  onOpen,
  onClose,
  onChange,
}: {
  readonly file: File | null;
  readonly settings: PlanSettings;
  readonly onOpen: (file: File) => void;
  readonly onClose: () => void;
  readonly onChange: (settings: PlanSettings) => void;
}): JSX.Element {
  const fileId = useId();
  const textId = useId();
  const [text, setText] = useState('');
  return (
    <section class="panel" aria-labelledby={`${fileId}-head`}>
      <h2 id={`${fileId}-head`}>Traffic and engine</h2>
      <div class="drop">
        <label for={fileId}>Drop a trace, a log or a launch line here, or choose a file</label>
        <input
          id={fileId}
          type="file"
          onChange={({ currentTarget }) => {
            const [given] = currentTarget.files ?? [];
            if (given !== undefined) onOpen(given);
            currentTarget.value = '';
          }}
        />
      </div>
      <details>
        <summary>Or paste text</summary>
        <label for={textId}>A launch line, or lines of a log or a trace</label>
        <textarea
          id={textId}
          rows={4}
          spellcheck={false}
          value={text}
          placeholder="vllm serve MODEL --max-num-seqs 128"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <button
          type="button"
          disabled={text.trim() === ''}
          onClick={() => {
            onOpen(new File([text], 'the text'));
            setText('');
          }}
        >
          Use this text
        </button>
      </details>
      <p class="source">
        {file === null ? (
          <>Planned for a generated workload of {settings.requests ?? GENERATED_REQUESTS} requests.</>
        ) : (
          <>
            Planned for <strong>{file.name}</strong>.{' '}
            <button type="button" onClick={onClose}>
              Close the file
            </button>
          </>
        )}
      </p>
      {settings.engine !== undefined && (
        <p class="source">
          Engine: <code>{settings.engine}</code>{' '}
          <button
            type="button"
            onClick={() => {
              const { engine: _, ...rest } = settings;
              onChange(rest);
            }}
          >
            Forget the launch line
          </button>
        </p>
      )}
    </section>
  );
}
