import { describe, expect, it } from 'vitest';
import { didYouMean, suggest } from '../../src/domain/suggest.ts';

const fields = ['name', 'needs', 'uses', 'with', 'timeout', 'max_parallel', 'continue_on_error'];

describe('suggest', () => {
  it.each([
    ['need', 'needs'],
    ['Needs', 'needs'],
    ['tiemout', 'timeout'],
    ['maxParallel', 'max_parallel'],
    ['MAX_PARALLEL', 'max_parallel'],
    ['continueOnError', 'continue_on_error'],
    ['use', 'uses'],
  ])('takes %s for %s', (word, meant) => {
    expect(suggest(word, fields)).toBe(meant);
  });

  it.each([['x'], ['colour'], ['wait_for_it'], ['']])('has nothing to say about %j', (word) => {
    expect(suggest(word, fields)).toBeNull();
  });

  it('takes the nearest, and the first of equally near ones', () => {
    expect(suggest('step-1', ['step-12', 'step-2', 'stop-1'])).toBe('step-12');
    expect(suggest('extrac', ['extras', 'extract', 'extrac'])).toBe('extras');
    expect(suggest('abcdef', ['abcdxy', 'abcdex'])).toBe('abcdex');
  });
});

describe('didYouMean', () => {
  it('ends a message with the word that was meant, or with nothing', () => {
    expect(`no action is named \`shel\`${didYouMean('shel', ['shell', 'wait'])}`).toBe(
      'no action is named `shel`; did you mean `shell`?',
    );
    expect(didYouMean('resize', ['shell', 'wait'])).toBe('');
  });
});
