import type { JSX } from 'preact';
import { Table } from '../parts.js';
import type { StepAnswer } from '../worker/messages.js';
import { Changed } from './changed.js';

/** Words of a vote that are shown even where they are 0 on every rank. */
const ALWAYS = ['tokens', 'prefillRequests', 'decodeRequests'];

/** The decision with its reason, and the votes it follows from. */
export function StepOutcome({
  answer,
  before,
}: {
  readonly answer: StepAnswer;
  readonly before: StepAnswer | null;
}): JSX.Element {
  const { explanation } = answer;
  const { votes, decision } = explanation;
  const was = before?.explanation.votes;
  const words = Object.keys(votes[0] ?? {}).filter(
    (word) => ALWAYS.includes(word) || votes.some((vote) => vote[word] !== 0),
  );
  return (
    <>
      <h2 data-testid="run">
        <Changed now={answer.run} before={before?.run} />
      </h2>
      <p data-testid="reason">
        <strong>
          <Changed now={decision.reason} before={before?.explanation.decision.reason} />
        </strong>
        : {answer.reason}
      </p>
      {answer.gather !== '' && (
        <p>
          Collectives move: <Changed now={answer.gather} before={before?.gather} />
        </p>
      )}
      {answer.notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
      <Table
        caption="Votes: a row of words from each rank"
        columns={['word', ...votes.map((_, rank) => `rank ${rank}`)]}
        rows={words.map((word) => [
          word,
          ...votes.map((vote, rank) => (
            <Changed key={rank} now={`${vote[word]}`} before={was?.[rank]?.[word]?.toString()} />
          )),
        ])}
      />
      <h3>Graphs that were looked at</h3>
      <ul>
        {answer.candidates.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  );
}
