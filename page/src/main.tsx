import { type JSX, render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Client } from './client.js';
import { PlanView } from './plan/plan-view.js';
import { type Link, linkText, readLink, VIEWS, type View } from './settings/link.js';
import { StepView } from './step/step-view.js';
import { StoriesView } from './stories/stories-view.js';

const NAMES: Readonly<Record<View, string>> = { plan: 'Plan graphs', step: 'Explore a step', stories: 'Five faults' };

/** The page: what the address says, and a view of it. Views that are left keep their settings. */
function Page(): JSX.Element {
  const client = useMemo(() => new Client(), []);
  const first = useMemo(() => readLink(location.hash), []);
  const [faults, setFaults] = useState(first.faults);
  const [links, setLinks] = useState<{ readonly [V in View]: Link }>({
    plan: { view: 'plan', settings: {} },
    step: readLink('step').link,
    stories: { view: 'stories', settings: {} },
    [first.link.view]: first.link,
  });
  const [view, setView] = useState<View>(first.link.view);

  useEffect(() => {
    const read = (): void => {
      const { link, faults: wrong } = readLink(location.hash);
      setFaults(wrong);
      setView(link.view);
      setLinks((before) => ({ ...before, [link.view]: link }));
    };
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }, []);

  const change = (link: Link): void => {
    setFaults([]);
    setLinks((before) => ({ ...before, [link.view]: link }));
    // Settings are not steps of a way back: a slider would make hundreds.
    history.replaceState(null, '', `#${linkText(link)}`);
  };
  const { plan, step, stories } = links;
  return (
    <>
      <header>
        <h1>Lockstep planner</h1>
        <p>Everything runs in this page. No trace, log or line leaves your machine.</p>
        <nav aria-label="Views">
          {VIEWS.map((name) => (
            <a key={name} href={`#${linkText(links[name])}`} aria-current={name === view ? 'page' : undefined}>
              {NAMES[name]}
            </a>
          ))}
        </nav>
      </header>
      <main>
        {faults.length > 0 && (
          <div role="alert" class="fault">
            {faults.map((fault) => (
              <p key={fault}>{fault}</p>
            ))}
          </div>
        )}
        {view === 'plan' && plan.view === 'plan' && (
          <PlanView
            client={client}
            settings={plan.settings}
            onChange={(settings) => change({ view: 'plan', settings })}
          />
        )}
        {view === 'step' && step.view === 'step' && (
          <StepView
            client={client}
            settings={step.settings}
            onChange={(settings) => change({ view: 'step', settings })}
          />
        )}
        {view === 'stories' && stories.view === 'stories' && (
          <StoriesView
            client={client}
            place={stories.settings}
            onChange={(settings) => change({ view: 'stories', settings })}
          />
        )}
      </main>
    </>
  );
}

const place = document.getElementById('page');
if (place !== null) render(<Page />, place);
