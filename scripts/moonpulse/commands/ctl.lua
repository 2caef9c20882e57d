--- moonpulse ctl: follow a run that goes on, and stop it, from another terminal or program.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local escapes = require "moonpulse.text.escapes"
local json = require "moonpulse.text.sorted_json"
local numbers = require "moonpulse.text.numbers"
local read = require "moonpulse.record.read"
local results = require "moonpulse.run.result"
local running = require "moonpulse.cli.running"
local text_of = require "moonpulse.cli.feed_text"

local M = {}

local verbs = { "status", "stop", "follow", "mark", "answer", "pause" }
local answer_s = 0.2 -- for the loop of the run; one that is stuck is stopped as a signal would
local patience_s = 30 -- for the end of a run that was stopped: its record is closed

function M.parser()
  local parser = cli.parser("ctl",
    "Follow and stop a run that goes on, and was started with --events: its state (status), what happens "
      .. "as it comes (follow), a stop (stop: the device is made safe, and the answer is the run's end), a "
      .. "mark in its audit trail (mark), the answer to a question of its script (answer), a pause behind "
      .. "the trial that goes on (pause; again: it goes on). Without a name the one run that goes on is "
      .. "meant; of several status lists each.",
    "moonpulse ctl status\nmoonpulse ctl follow 2026-11-22T101500_itbs600 --json\n"
      .. "moonpulse ctl mark \"coil put back\"\nmoonpulse ctl stop")
  parser:argument("verb", "What to do: " .. table.concat(verbs, ", ") .. "."):choices(verbs)
  parser:argument("named", "Of mark and answer first the text, in quotes. Then the run: the name or path of "
    .. "its socket, its folder, or the folder's name."):args("0-2"):argname("[TEXT] RUN|PATH")
  parser:flag("--json", "As data: one JSON object; of follow each line as the run sends it (docs/schemas).")
  return parser
end

local function shown(text, ...)
  print(escapes.shown(text:format(...)))
end

-- status ---------------------------------------------------------------------------------------------------

local function facts_of(run)
  local hello = run.hello or { state = run.refuses and "refuses" or "busy", run = run.run,
    folder = run.folder }
  local facts = { socket = run.path, process = run.process, why = run.refuses }
  for _, key in ipairs { "run", "folder", "state", "safe", "kind", "id", "name", "participant", "device",
    "simulated", "speed", "stop", "since_start_s", "pulses", "readers", "dropped" } do
    facts[key] = hello[key]
  end
  return facts
end

local function line(key, text, ...)
  shown("%-12s%s", key, text:format(...))
end

local function show_status(facts)
  local pulses = facts.pulses or {}
  line("run", "%s", facts.run or facts.socket)
  if facts.state == "busy" then
    line("state", "it does not answer: its script is busy, or the computer is")
    return line("process", "%d", facts.process)
  elseif facts.state == "refuses" then
    line("state", "it cannot be followed: %s; it can be stopped", facts.why)
    return line("process", "%d", facts.process)
  end
  line("what", "%s %s (%s)", facts.kind, facts.id, facts.name or facts.id)
  line("state", "%s%s%s", facts.state == "asking" and "asking: its operator has not answered yet"
    or facts.state, facts.stop and ", stopped: " .. facts.stop or "",
    facts.safe and "" or "; the device may fire")
  line("device", "%s%s%s", facts.simulated and "simulated " or "", facts.device or "n/a",
    facts.participant and ", participant " .. facts.participant or "")
  line("pulses", "%s of %s sent, %s confirmed, %s left out", numbers.count(pulses.sent or 0),
    numbers.count(pulses.planned or 0), numbers.count(pulses.confirmed or 0),
    numbers.count(pulses.skipped or 0))
  if facts.since_start_s then
    line("time", "%s%s", numbers.duration(math.max(0, facts.since_start_s)),
      facts.speed ~= 1 and " of virtual time" or "")
  end
  line("readers", "%d%s", facts.readers - 1, facts.dropped > 0 and (", %d did not read and %s let go of")
    :format(facts.dropped, facts.dropped == 1 and "was" or "were") or "")
  if facts.folder then
    line("record", "%s", facts.folder)
  end
  line("socket", "%s", facts.socket)
end

local function status(options, named)
  local list, no_runs = { named and running.find(named) }, {}
  if not named then
    list, no_runs = running.all()
  end
  local told = json.list {}
  for _, message in ipairs(no_runs) do
    io.stderr:write("moonpulse: note: ", escapes.shown(message), "\n")
  end
  if #list == 0 then
    running.find(nil) -- leaves, and says why
  end
  for i, run in ipairs(list) do
    told[i] = facts_of(run)
    run:close()
  end
  if options.json then
    return as_json.tell { what = "moonpulse ctl", verb = "status", runs = told }
  end
  for i, facts in ipairs(told) do
    if i > 1 then
      print ""
    end
    show_status(facts)
  end
end

--- Leave, as it says nothing.
local function no_answer(run)
  if run.refuses then
    cli.fail(run.refused_code, "%s: %s (moonpulse ctl stop stops it all the same)", run:name(), run.refuses)
  end
  cli.fail("fault", "%s does not answer: its script is busy, or the computer is", run:name())
end

-- follow ---------------------------------------------------------------------------------------------------

local function follow(options, named)
  local run <close> = running.find(named)
  if not run.hello then
    no_answer(run)
  end
  local said, raw, known = run.hello, run.line, {}
  while said do
    local text = options.json and raw or text_of.line(said, known)
    if text then
      print(options.json and text or escapes.shown(text))
      io.stdout:flush()
    end
    if said.event == "end" then
      return cli.status.ok
    end
    said, raw = run:next()
  end
  cli.fail("fault", "%s: the run ended without a word, or let go of this reader, which did not read: "
    .. "moonpulse runs tells what became of it", run:name())
end

-- what is asked --------------------------------------------------------------------------------------------

--- Wait for the answer to what was asked; others are other readers'.
local function answer_to(run, what, seconds)
  local said, why
  repeat
    said, why = run:next(seconds)
  until not said or said.event == "answer" and (said.to == what or not said.ok)
  return said, why
end

--- Ask a run, and leave with its refusal.
local function asked(run, question, code)
  if not run.hello or not run:ask(question) then
    no_answer(run)
  end
  local said = answer_to(run, question["do"], patience_s)
  if not said then
    cli.fail("fault", "%s has not answered: moonpulse ctl status", run:name())
  elseif not said.ok then
    cli.fail(code, "%s: %s", run:name(), tostring(said.why))
  end
  return said
end

--- Give a run a text: as a mark, or as an answer.
---@param verb "mark"|"answer"
---@param done string what is said then, of the run's name
local function give(verb, done, options, text, named)
  local run <close> = running.find(named)
  asked(run, { ["do"] = verb, text = text, by = "moonpulse ctl" }, "usage")
  if options.json then
    return as_json.tell { what = "moonpulse ctl", verb = verb, run = run:name(), text = text }
  end
  shown(done, run:name())
end

local function pause(options, named)
  local run <close> = running.find(named)
  asked(run, { ["do"] = "pause", by = "moonpulse ctl" }, "limit")
  local said
  repeat
    said = run:next(answer_s * 10)
  until not said or said.event == "pause" or said.event == "end"
  local text = said and said.text or "asked for"
  if options.json then
    as_json.tell { what = "moonpulse ctl", verb = "pause", run = run:name(), text = text }
  else
    shown("%s: %s", run:name(), text)
  end
  return said and said.cannot and cli.status.limit or cli.status.ok
end

--- How a run ended that told this reader nothing: its record says it.
local function end_by_record(run)
  if not run:await_end(patience_s) then
    return nil, "late"
  elseif not run.folder then
    return nil, "has ended; as it does not say where its record is, nothing more is known here"
  end
  local said, manifest = results.of(run.folder), read.manifest(run.folder .. "/manifest.json") or {}
  said.what, said.event, said.run = nil, "end", run:name()
  said.safe = manifest.status == "not run" or read.get(manifest, "result.disarmed") == true
  return said
end

--- The end of a run, once it was stopped.
local function end_of(run)
  local said, why
  repeat
    if run.refuses then
      return end_by_record(run)
    end
    said, why = run:next(patience_s)
    if said and said.event == "refused" then
      run:take_refusal(said)
    end
  until not said or said.event == "end"
  return said, why
end

--- Leave, as a run that was told to stop has not said how it ended.
local function no_end(run, why)
  cli.fail("fault", "%s was told to stop, and %s: moonpulse ctl status; use the stimulator's own switch "
    .. "if it still fires", run:name(), why == "late" and "has not ended within 30 s"
    or why == "ended" and "ended without a word" or why)
end

local function stop(options, named)
  local run <close> = running.find(named, answer_s)
  if run.hello then
    run:ask { ["do"] = "stop", by = "moonpulse ctl" }
  end
  local answer, why = nil, nil
  if run.hello then
    answer, why = answer_to(run, "stop", answer_s)
  end
  -- its loop does not turn: the way that a signal takes
  if not answer and why ~= "ended" and not run.joined:interrupt() then
    cli.fail("fault", "%s does not answer, and no moonpulse program of yours listens there: nothing was "
      .. "stopped; moonpulse ctl status lists the runs", run:name())
  end
  local said
  said, why = end_of(run)
  if not said then
    no_end(run, why)
  end
  if options.json then
    as_json.tell { what = "moonpulse ctl", verb = "stop", run = run:name(), ["end"] = said }
  else
    shown("%s has ended: %s", run:name(), said.reason or said.message or said.status)
    if said.pulses then
      shown("%s of %s sent; %s", numbers.count(said.pulses.sent),
        numbers.counted(said.pulses.planned, "pulse"), said.safe and "the device is safe"
        or "NOT CONFIRMED SAFE: look at the stimulator")
    end
    if said.folder then
      shown("record %s", said.folder)
    end
  end
  return said.safe and cli.status.ok or cli.status.fault
end

local does = { status = status, stop = stop, follow = follow, pause = pause }

function M.run(options)
  local named = options.named
  if options.verb == "mark" then
    if not named[1] then
      cli.fail("usage", "mark: its text is missing: moonpulse ctl mark \"coil put back\"")
    end
    return give("mark", "marked in %s", options, named[1], named[2])
  elseif options.verb == "answer" then
    if not named[1] then
      cli.fail("usage", "answer: it is missing: moonpulse ctl answer 52.5")
    end
    return give("answer", "answered in %s", options, named[1], named[2])
  elseif named[2] then
    cli.fail("usage", "%s takes one run: %s or %s?", options.verb, named[1], named[2])
  end
  return does[options.verb](options, named[1])
end

return M
