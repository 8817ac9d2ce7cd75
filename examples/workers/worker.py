#!/usr/bin/env python3
"""A Holdfast worker in Python's standard library: worker.py [SERVER [NAME]]."""
import http.client, json, random, signal, socket, sys, threading, time, urllib.error, urllib.request, uuid
SERVER = sys.argv[1] if len(sys.argv) > 1 else 'http://localhost:3000'
NAME = sys.argv[2] if len(sys.argv) > 2 else f'python@{socket.gethostname()}'
BATCH, held = 4, {}  # how many steps it claims at once, to run them one after the other; those that it holds

def word_count(given, step):
    return {'words': len(given['text'].split()), 'step': step['step'], 'worker': NAME}
def nap(given, step):
    for tenth in range(10):
        step['progress'] = tenth / 10
        if step['stopped'].wait(given['seconds'] / 10): return  # nobody waits for the result any more
    call(f'/claims/{step["id"]}/log?offset=0', b'slept well\n')
    return {'step': step['step'], 'worker': NAME}
ACTIONS = {'nap': nap, 'word-count': word_count, 'shout': lambda given, step: {'text': given['text'].upper()}}

def call(path, body, method='POST'):  # asks until the server answers; bytes go as text, all else as JSON
    kind, data = ('text/plain', body) if isinstance(body, bytes) else ('application/json', json.dumps(body).encode())
    while True:
        try:
            request = urllib.request.Request(f'{SERVER}/v1{path}', data, {'content-type': kind}, method=method)
            with urllib.request.urlopen(request, timeout=40) as answer: return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429: return {'refused': f'{error.code} {error.read().decode()}'}
        except (OSError, ValueError, http.client.HTTPException): pass  # away, or half an answer
        time.sleep(random.uniform(0, 2))  # not all workers at the same moment

def run(step):
    try:
        answer = call(f'/claims/{step["id"]}/complete', {'output': ACTIONS[step['uses']](step['with'], step)})
    except Exception as error:  # what is wrong with the data stays wrong: another attempt would not help
        wrong = isinstance(error, (AttributeError, LookupError, TypeError, ValueError))
        error = {'code': type(error).__name__, 'message': str(error)}
        answer = call(f'/claims/{step["id"]}/fail', {'error': error, 'retryable': not wrong})
    print(step['step'], answer.get('outcome', answer), flush=True)
    del held[step['id']]

def heartbeat():  # extends the claims, and stops the steps whose result nobody waits for any more
    while not time.sleep(min(me['heartbeat_interval_ms'], me['claim_ttl_ms'] / 3) / 1000):
        steps = list(held.values())
        claims = [{'id': step['id'], 'progress': step['progress']} for step in steps]
        for step, told in zip(steps, call(f'/workers/{me["id"]}/heartbeat', {'claims': claims}).get('claims', [])):
            if told['action'] != 'continue': step['stopped'].set()

for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, lambda *_: sys.exit())
me, answer = call('/workers', {'name': NAME, 'uses': list(ACTIONS), 'slots': BATCH}), {'command': 'run'}
if 'refused' in me: sys.exit(me['refused'])
try:
    print('registered as', me['id'], flush=True)
    threading.Thread(target=heartbeat, daemon=True).start()
    while answer.get('command') == 'run':
        ask = {'worker_id': me['id'], 'request_id': str(uuid.uuid4()), 'max': BATCH, 'wait': '20s'}
        answer = call('/claims', ask)
        for claim in answer.get('data', []): held[claim['id']] = {**claim, 'stopped': threading.Event(), 'progress': 0}
        for step in list(held.values()): run(step)
    sys.exit(answer.get('refused'))  # told to leave
finally:
    call(f'/workers/{me["id"]}', {}, 'DELETE')  # what it holds is given back; a second signal ends it at once
