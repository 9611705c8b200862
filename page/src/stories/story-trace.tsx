import type { PlayedStory } from 'lockstep/check';
import type { JSX } from 'preact';

/** The first lines of what was played, with a lane for each rank; a line of all ranks spans them. */
export function StoryTrace({
  caption,
  played: { trace, breaks },
  at,
}: {
  readonly caption: string;
  readonly played: PlayedStory;
  readonly at: number;
}): JSX.Element {
  const ranks = Math.max(...trace.map(({ rank }) => (rank ?? 0) + 1));
  const lanes = Array.from({ length: ranks }, (_, rank) => rank);
  const shown = trace.slice(0, at);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table class="lanes" data-testid={caption}>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">line</th>
            <th scope="col">what</th>
            {lanes.map((rank) => (
              <th key={rank} scope="col">
                rank {rank}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map(({ phase, rank, text }, line) => (
            <tr key={line} class={[phase === 'end' ? 'broken' : '', line === at - 1 ? 'now' : ''].join(' ').trim()}>
              <th scope="row">{line + 1}</th>
              <td>{phase === 'end' ? 'broken' : phase}</td>
              {rank === null ? (
                <td colSpan={ranks} class="all">
                  {text}
                </td>
              ) : (
                lanes.map((lane) => <td key={lane}>{lane === rank ? text : ''}</td>)
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {at >= trace.length && breaks.length === 0 && <p class="well">Nothing breaks.</p>}
    </section>
  );
}
