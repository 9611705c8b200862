import type { JSX } from 'preact';
import { useAnswer } from '../answers.js';
import type { Client } from '../client.js';
import { Fault } from '../parts.js';
import type { StoryPlace } from '../settings/link.js';
import { StoryTrace } from './story-trace.js';
import { TOLD } from './told.js';

/** Five faults of engines, played line by line on the rules as they were, and as they are after the fix. */
export function StoriesView({
  client,
  place,
  onChange,
}: {
  readonly client: Client;
  readonly place: StoryPlace;
  readonly onChange: (place: StoryPlace) => void;
}): JSX.Element {
  const told = TOLD.find(({ name }) => name === place.name) ?? TOLD[0];
  const { name, title, seen, fix } = told as (typeof TOLD)[number];
  const { answer, fault, busy } = useAnswer(client, 'story', name, { subject: name });
  const story = answer?.name === name ? answer : null;
  const most = story === null ? 0 : Math.max(story.before.trace.length, story.fixed.trace.length);
  const at = Math.min(place.at ?? 1, most);
  const go = (to: number): void => onChange({ name, at: Math.min(Math.max(to, 1), most) });
  return (
    <div class="stories">
      <nav aria-label="Stories" class="panel">
        <ol>
          {TOLD.map((one) => (
            <li key={one.name}>
              <a href={`#stories?name=${one.name}`} aria-current={one.name === name ? 'true' : undefined}>
                {one.title}
              </a>
            </li>
          ))}
        </ol>
      </nav>
      <section aria-labelledby="story" aria-busy={busy}>
        <h2 id="story">{title}</h2>
        <p>{seen}</p>
        <Fault message={fault} />
        {story !== null && (
          <>
            {/* A button that cannot step stays in focus: who steps by keys steps back from it. */}
            <fieldset
              class="steps"
              onKeyDown={({ key }) => {
                if (key === 'ArrowRight') go(at + 1);
                if (key === 'ArrowLeft') go(at - 1);
              }}
            >
              <legend class="heard">Steps of the story; arrow keys step too</legend>
              <button type="button" aria-disabled={at <= 1} onClick={() => go(at - 1)}>
                Back
              </button>{' '}
              <button type="button" aria-disabled={at >= most} onClick={() => go(at + 1)}>
                Next
              </button>{' '}
              <button type="button" aria-disabled={at >= most} onClick={() => go(most)}>
                To the end
              </button>{' '}
              <span role="status">
                Line {at} of {most}
              </span>
            </fieldset>
            <StoryTrace caption="As it was" played={story.before} at={at} />
            <StoryTrace caption="After the fix" played={story.fixed} at={at} />
            {at >= most && <p class="fix">{fix}</p>}
          </>
        )}
      </section>
    </div>
  );
}
