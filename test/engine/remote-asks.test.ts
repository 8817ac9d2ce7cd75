import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { type Ask, createRemoteAsks } from '../../src/scheduler/remote-asks.ts';

const ask = (more: Partial<Ask> = {}): Ask => ({
  ...{ workerId: 'w', requestId: null, uses: ['a'], queues: null, max: 1, ttlMs: 1000, waitMs: 60_000 },
  gone: new AbortController().signal,
  ...more,
});
const claims = (count: number) =>
  Array.from({ length: count }, (_, ordinal) => ({
    ...{ job_id: 'j', ordinal, claim_id: `c${ordinal}`, uses: 'a', attempt: 1 },
  }));

describe('requests for claims that wait', () => {
  it('are refused beyond a limit, with the words of when to come again', async () => {
    const asks = createRemoteAsks(() => {});
    const waiting = Array.from({ length: LIMITS.claimsWaiting }, () => asks.wait(ask()));
    await expect(asks.wait(ask())).rejects.toMatchObject({ code: 'too_many_waiting' });
    asks.end();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['nothing']));
  });

  it('take nothing once their client has gone, also when that happens while the desk looks', async () => {
    const asks = createRemoteAsks(() => {});
    const gone = new AbortController();
    const waiting = asks.wait(ask({ gone: gone.signal }));
    const [open] = asks.open();
    gone.abort();
    expect(open?.request.accept?.({} as never, '')).toBe(false);
    open?.done({ claims: [], more: false });
    expect(await waiting).toBe('nothing');
    expect(asks.count()).toBe(0);
  });

  it('keep what was granted in the moment in which their time was over', async () => {
    const asks = createRemoteAsks(() => {});
    const waiting = asks.wait(ask({ waitMs: 1 }));
    const [open] = asks.open();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(asks.count()).toBe(1);
    open?.done({ claims: claims(1), more: false });
    expect(await waiting).toEqual({ claims: claims(1), more: false });
  });

  it('answer with what may have been granted when nobody knows whether it was committed', async () => {
    const asks = createRemoteAsks(() => {});
    const waiting = asks.wait(ask());
    const [open] = asks.open();
    open?.request.granted?.(claims(1)[0] as never);
    open?.failed(new Error('the connection was lost'));
    expect(await waiting).toMatchObject({ claims: claims(1) });
  });

  it('are told of a database that is away when their time is over, not before', async () => {
    const asks = createRemoteAsks(() => {});
    const patient = asks.wait(ask());
    const hasty = asks.wait(ask({ waitMs: 0 }));
    const [first, second] = asks.open();
    first?.failed(new Error('away'));
    second?.failed(new Error('away'));
    await expect(hasty).rejects.toThrow('away');
    const [again] = asks.open();
    asks.end();
    again?.failed(new Error('away'));
    await expect(patient).rejects.toThrow('away');
  });

  it('do not take the held row of their worker for an empty queue, but for so long only', async () => {
    const asks = createRemoteAsks(() => {});
    const waiting = asks.wait(ask({ waitMs: 0 }));
    let pauses = 0;
    for (let total = 0; asks.count() > 0; pauses += 1) {
      const [open] = asks.open();
      const pause = open?.done('busy') ?? 0;
      await new Promise((resolve) => setTimeout(resolve, pause));
      total += pause;
      expect(total).toBeLessThan(2_000);
    }
    expect(await waiting).toBe('nothing');
    expect(pauses).toBeLessThan(40);
  });

  it('hear what their worker was told while the desk was looking', async () => {
    const asks = createRemoteAsks(() => {});
    const [first, second] = [asks.wait(ask()), asks.wait(ask())];
    const [one, other] = asks.open();
    asks.tell('w', 'drain');
    one?.done({ claims: [], more: false });
    other?.done({ claims: claims(1), more: false });
    expect(await first).toBe('drain');
    expect(await second).toMatchObject({ claims: claims(1) });
  });
});
