import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import { MOST, type RequestGroup } from '../settings/batch-settings.js';

const DECODES: RequestGroup = { count: 1, phase: 'decode', queryLen: 1, numComputedTokens: 31, lastChunk: false };

/** The batch of one rank: requests that are alike stand in one row. Without any the rank is idle. */
export function BatchEditor({
  rank,
  groups,
  removable,
  onChange,
}: {
  readonly rank: number;
  readonly groups: readonly RequestGroup[];
  readonly removable: boolean;
  /** Null: the rank goes. */
  readonly onChange: (groups: readonly RequestGroup[] | null) => void;
}): JSX.Element {
  return (
    <fieldset class="rank panel">
      <legend>Rank {rank}</legend>
      {groups.length === 0 && <p>Idle: it holds no request.</p>}
      {groups.map((group, at) => (
        <GroupRow
          key={at}
          name={`rank ${rank}, row ${at + 1}`}
          group={group}
          onChange={(own) =>
            onChange(own === null ? groups.filter((_, i) => i !== at) : groups.map((old, i) => (i === at ? own : old)))
          }
        />
      ))}
      <p class="buttons">
        <button type="button" disabled={groups.length >= MOST.groups} onClick={() => onChange([...groups, DECODES])}>
          Add requests
        </button>{' '}
        {removable && (
          <button type="button" onClick={() => onChange(null)}>
            Remove rank {rank}
          </button>
        )}
      </p>
    </fieldset>
  );
}

function GroupRow({
  name,
  group,
  onChange,
}: {
  readonly name: string;
  readonly group: RequestGroup;
  readonly onChange: (group: RequestGroup | null) => void;
}): JSX.Element {
  const id = useId();
  const set = (change: Partial<RequestGroup>): void => onChange({ ...group, ...change });
  return (
    <div class="group">
      <Whole
        label="requests"
        {...{ name, least: 1, most: MOST.requests }}
        value={group.count}
        onChange={(count) => set({ count })}
      />
      <span>
        <label for={id}>phase</label>
        <select
          id={id}
          aria-label={`phase, ${name}`}
          value={group.phase === 'decode' ? 'decode' : group.lastChunk ? 'last' : 'prefill'}
          onChange={({ currentTarget: { value } }) =>
            set({ phase: value === 'decode' ? 'decode' : 'prefill', lastChunk: value === 'last' })
          }
        >
          <option value="decode">decode</option>
          <option value="prefill">prefill, more comes</option>
          <option value="last">prefill, last chunk</option>
        </select>
      </span>
      <Whole
        label="tokens each"
        {...{ name, least: 1, most: 8192 }}
        value={group.queryLen}
        onChange={(queryLen) => set({ queryLen })}
      />
      <Whole
        label="in the cache"
        {...{ name, least: 0, most: 100000 }}
        value={group.numComputedTokens}
        onChange={(numComputedTokens) => set({ numComputedTokens })}
      />
      <button type="button" aria-label={`Remove ${name}`} onClick={() => onChange(null)}>
        ✕
      </button>
    </div>
  );
}

function Whole({
  label,
  name,
  value,
  least,
  most,
  onChange,
}: {
  readonly label: string;
  readonly name: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly onChange: (value: number) => void;
}): JSX.Element {
  const id = useId();
  return (
    <span>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        aria-label={`${label}, ${name}`}
        {...{ min: least, max: most, step: 1, value }}
        onInput={({ currentTarget }) => {
          const number = Number(currentTarget.value);
          if (currentTarget.value !== '' && Number.isInteger(number) && number >= least && number <= most)
            onChange(number);
        }}
      />
    </span>
  );
}
