--- What an experiment's function is given: run.
local asked_again = require "moonpulse.experiment.asked_again"
local blame = require "moonpulse.text.author_line"
local checks = require "moonpulse.compose.check"
local core = require "moonpulse.core"
local handles = require "moonpulse.experiment.handle"
local hunts = require "moonpulse.experiment.hunt"
local notes = require "moonpulse.text.notes"
local places = require "moonpulse.experiment.places"
local recalls = require "moonpulse.experiment.recall"
local refusals = require "moonpulse.text.refusal"
local recruitments = require "moonpulse.experiment.recruitment"
local staircases = require "moonpulse.experiment.staircase"
local value_words = require "moonpulse.text.value_words"
local waitings = require "moonpulse.experiment.waiting"

local M = {}

---@class moonpulse.ExperimentRun
---@field params table the parameters
---@field seed integer
local Run = {}

local function seconds(who, value)
  if not math.type(value) or not (value >= 0 and value <= 1e6) then
    blame.fail("%s: seconds from 0 to 1000000 are needed, not %s", who, value_words.shown(value))
  end
  return value
end

--- Seconds since the run's start: what onset counts from. Of a run that goes on with one that broke off:
--- since the start of that one, without the time between them.
---@return number
function Run:now()
  return self.stage.heard:now(core.clock_ns() - self.stage.zero_ns) / 1e9
end

--- The stimulator that --device and --port named. It is connected, not armed. Where --device named several:
--- all of them, or the one of that name.
---@param place string? what the command calls it: "left"
---@return moonpulse.ExperimentDevice
function Run:device(place)
  local device = places.of(self.stage.device, place)
  place = place or ""
  self.stims[place] = self.stims[place] or device:handle()
  return self.stims[place]
end

--- Wait so many seconds; the loop goes on. Raises where a stop comes.
---@param duration number
function Run:sleep(duration)
  duration = seconds("run:sleep", duration)
  notes.rest("run:sleep", "the time", duration)
  local waiting = self.stage.waiting
  waiting.check()
  if self.stage.heard:was_done() then
    return
  end
  local end_ns = core.clock_ns() + math.floor(duration * 1e9)
  if end_ns <= core.clock_ns() then -- the loop has its turn all the same
    waiting:wait(0)
  end
  waiting:until_true(function()
    return core.clock_ns() >= end_ns or nil
  end, duration)
  self.stage.heard:turn()
end

--- A number between two bounds, drawn from the run's seed.
---@param low number
---@param high number
---@return number
function Run:uniform(low, high)
  return self.stage.draws:uniform(low, high)
end

--- A whole number from low to high, drawn from the run's seed.
---@param low integer
---@param high integer
---@return integer
function Run:integer(low, high)
  return self.stage.draws:integer(low, high)
end

--- A new list with the same values in another order, drawn from the run's seed.
---@param list any[]
---@param rule { max_in_a_row: integer?, blocks: integer? }? as of mp.shuffle
---@return any[]
function Run:shuffle(list, rule)
  return self.stage.draws:shuffle(list, rule)
end

--- Ask the operator; "[y/n]" at the question's end names the answers that are taken,
--- "[number]" takes a number, "[number 1 to 10]" one from 1 to 10.
---@param question string
---@return string
function Run:ask(question)
  self.stage.waiting.check()
  local was = self.stage.past:take "answer"
  local answer = was and tostring(was.value) or nil
  if not was then
    answer = self.stage.keyboard:ask(question)
    self.stage.mark(question .. ": ", nil, nil, answer)
  end
  self.asked:told(question, answer, not was and self.stage.keyboard.source or nil)
  return answer
end

--- Wait for a trigger: a byte with --trigger-in, or an edge on a line. Both wait in a queue, for each part
--- of the script (run:spawn) from its first call on.
---@param options table? { byte, fresh, line = "cts"|"dsr", edge = "rising"|"falling", timeout = seconds }
---@return number? at when it came, in seconds from the run's start; nil: timeout
---@return integer? byte
function Run:wait_trigger(options)
  self.stage.waiting.check()
  local was = self.stage.past:take("trigger", "run:wait_trigger")
  if was and not was.at_ns then
    return nil
  elseif was then
    return was.at_ns / 1e9, was.value
  end
  local at_ns, byte, first
  self.stage.heard:try("run:wait_trigger", function()
    at_ns, byte, first = self.stage.triggers:wait(options)
  end)
  if not at_ns then
    self.stage.mark(recalls.no_trigger)
    return nil
  end
  if byte and not first then
    self.stage.tell("trigger", { byte = byte, again = true }, at_ns)
  elseif first or not byte then -- a byte that several parts wait for is one row
    self.stage.mark(byte and ("trigger: byte %d"):format(byte) or "trigger: edge", at_ns)
    self.stage.tell("trigger", { byte = byte, input = not byte and ((options or {}).line or "cts") or nil,
      edge = not byte and ((options or {}).edge or "rising") or nil }, at_ns)
  end
  return (at_ns - self.stage.zero_ns) / 1e9, byte
end

--- What came until now: bytes of --trigger-in (or --triggers), and edges that the script waited for.
---@param options { new: boolean? }? new: only what came since this part of the script asked last
---@return { at: number, byte: integer?, line: string?, edge: string?, became: string }[] triggers in their
---   order; at: seconds from the run's start; became: "taken" by run:wait_trigger, what
---   stim:on_trigger made of it ("starts", "counted", ...), "waiting" for this part's next run:wait_trigger,
---   or "passed_over"
---@return integer gone so many came before these, which are not kept one by one any more: 10,000 are
function Run:triggers(options)
  local new = blame.options("run:triggers", options or {}, { new = "?true or false" }).new
  if new ~= nil and type(new) ~= "boolean" then
    blame.fail("run:triggers: new must be true or false, not %s", value_words.shown(new))
  end
  local stage, who = self.stage, core.current()
  local log, was_told, list, gone = stage.triggers.queue.log, stage.past:goes_on(), {}, 0
  if not was_told then
    list, gone = log:list(who, new, stage.triggers.queue:place(who), stage.zero_ns)
  end
  local told = stage.heard:reading("triggers", { list = list, gone = gone }, math.max(1, #list))
  local last = was_told and told.list[#told.list]
  if last then
    log:was_told(who, stage.zero_ns + math.floor(last.at * 1e9 + 0.5))
  end
  for _, each in ipairs(told.list) do -- a journal has one kind of number
    each.byte = math.tointeger(each.byte)
  end
  return told.list, math.tointeger(told.gone)
end

--- How many trigger bytes came until now.
---@param options { byte: integer?, since: number? }? of that value; at that time or later, in seconds from
---   the run's start
---@return integer
function Run:trigger_count(options)
  local known = { byte = "?number", since = "?number" }
  options = blame.options("run:trigger_count", options or {}, known)
  local byte, since = options.byte, options.since
  if byte ~= nil and (math.type(byte) ~= "integer" or byte < 0 or byte > 255) then
    blame.fail("run:trigger_count: byte must be a whole number from 0 to 255, not %s",
      value_words.shown(byte))
  elseif since ~= nil and not (math.type(since) and math.abs(since) <= 1e6) then
    blame.fail("run:trigger_count: since must be seconds from the run's start, not %s",
      value_words.shown(since))
  end
  local stage = self.stage
  local count = stage.triggers.queue.log:count(byte,
    since and stage.zero_ns + math.floor(since * 1e9 + 0.5))
  local told = stage.heard:reading("trigger_count", { count = count or -1 }).count
  told = math.tointeger(told)
  if told < 0 then
    blame.fail("run:trigger_count: of what came before %g s there are no times any more: the last 10,000 "
      .. "are kept; count more often, or without since", since)
  end
  return told
end

local function text_of(who, text)
  if type(text) ~= "string" or text == "" then
    blame.fail("%s: a text is needed, not %s", who, type(text))
  end
  return text
end

--- A named instant in the record; with a code it is given to the box of --codes now, whether or not the
--- stimulator is armed or plays. While another code stands there it follows that one, 1 ms after its end.
---@param text string
---@param options { code: integer? }? from 1 to 255
function Run:mark(text, options)
  text = text_of("run:mark", text)
  local code = blame.options("run:mark", options or {}, { code = "?code" }).code
  code = code ~= nil and checks.code("run:mark", code) or nil
  if self.stage.heard:was_said(self.stage.row_text(text)) then
    return
  end
  self.stage.heard:turn()
  if code == nil then
    self.stage.own_mark(text)
  else
    self.stage.coded_mark(text, code)
  end
end

--- The same, also shown to the operator.
---@param text string
function Run:note(text)
  text = text_of("run:note", text)
  if self.stage.heard:was_said(self.stage.row_text(text)) then
    return
  end
  self.stage.heard:turn()
  self.stage.own_mark(text)
  self.stage.tell("note", { text = text })
  self.stage.say(text)
end

--- From here on nobody could say what is left where it breaks off.
local function cannot_go_on(self, why)
  local job = self.stage.job
  job.can_pause, job.can_go_on, job.cannot_pause = nil, nil, why
  if job.told_pause then
    job.told_pause = nil
    print(("(from here on p pauses nothing, and resume cannot go on with this run: %s)"):format(why))
  end
end

--- A prompt: whoever sits there types Lua, line by line, until quit (or Ctrl-D). Errors are shown, and it
--- goes on; a stop and a fault of the stimulator end the run.
---@param names table<string, any>? that what is typed sees besides run, stim and mp
function Run:prompt(names)
  if names ~= nil and type(names) ~= "table" then
    blame.fail("run:prompt: names must be a table, like { gain = gain }, not %s", value_words.shown(names))
  end
  if self.stage.past:goes_on() then
    refusals.raise("usage", "the run that this one goes on with was at a prompt, and what was typed there is "
      .. "not done again: run it anew")
  end
  cannot_go_on(self, "it is at a prompt")
  require("moonpulse.experiment.prompt").new(self.stage, self.handle, names or {}):run()
end

--- An adaptive staircase; see moonpulse.experiment.staircase.
---@param options table { start, step, min_step = 1, reversals = 6, min = 1, max = 100, trials = 100,
---   unit = "%MSO", kind = "RMT"|"AMT"|nil, device = string? } device: of several the one that it is of
---@return moonpulse.Staircase
function Run:staircase(options)
  local stage = self.stage
  places.check_option(stage.device, "run:staircase", options)
  stage.staircases = (stage.staircases or 0) + 1
  return staircases.handle(staircases.new(options, function(text, said)
    stage.mark(text, nil, said)
  end, stage.staircase_ended, stage.staircases, stage.staircase_begun, self.reads))
end

--- A threshold hunt by a published method; see moonpulse.experiment.hunt.
---@param options table { method = "ml-pest"|"stochastic"|"amplitude"|"relative-frequency"|"mills-nithi",
---   start, trials, min = 1, max = 100, kind = "RMT"|"AMT"|nil, device = string? }, and what the method has
---   besides; device: of several the one that it is of
---@return moonpulse.Hunt
function Run:threshold(options)
  local stage = self.stage
  places.check_option(stage.device, "run:threshold", options)
  if waitings.can_wait() then
    hunts.prepare(options, function() stage.waiting:wait(0) end)
    stage.heard:turn()
  end
  stage.hunts = (stage.hunts or 0) + 1
  return hunts.handle(hunts.new(options, { note = function(text, said)
    stage.mark(text, nil, said)
  end, begins = stage.hunt_begun, ends = stage.hunt_ended, reads = self.reads }, stage.hunts))
end

--- An input-output (recruitment) curve; see moonpulse.experiment.recruitment.
---@param options table { intensities | from, to, step, repeats = 10, of = "MSO"|"RMT"|"AMT",
---   order = "random"|"blocks"|"given", device = string? } device: of several the one that it is of, with
---   its step and its thresholds
---@return moonpulse.Recruitment
function Run:recruitment(options)
  local stage = self.stage
  local place = places.check_option(stage.device, "run:recruitment", options)
  local stimulator, thresholds = stage.stimulator, stage.job.thresholds
  if place then
    stimulator, thresholds = stimulator:some(place), places.thresholds(stage.device, place)
  end
  stage.curves = (stage.curves or 0) + 1
  return recruitments.handle(recruitments.new(options, { note = function(text, said)
    stage.mark(text, nil, said)
  end, shuffle = function(list)
    return stage.draws:shuffle(list)
  end, begins = stage.curve_begun, ends = stage.curve_ended, reads = self.reads,
  thresholds = thresholds,
  range = stimulator.driver.limits(stimulator.identity).intensity }, stage.curves))
end

--- Listen to a signal, as an EEG; see moonpulse.experiment.signal.
---@param options { rate: number, from: string?, delay: number?, blank: number?, simulated: table? } rate:
---   samples a second; from: where another program sends them; delay: seconds, how old one is when it comes;
---   blank: seconds (0.05) after each own plan that do not count; simulated = { hz =, snr_db = }: without
---   from, and in virtual time
---@return table eeg with await_phase
function Run:signal(options)
  return require("moonpulse.experiment.signal").new(self.stage, options)
end

--- Do something beside the script, in a coroutine of its own, until the script ends. Its error is
--- the script's.
---@param task fun()
function Run:spawn(task)
  if type(task) ~= "function" then
    blame.fail("run:spawn: a function is needed, not %s", type(task))
  end
  waitings.must_move("spawns", "let what was spawned wait with run:sleep before it spawns more")
  self.stage.heard:spawn()
  self.stage.spawn(task)
end

--- Stop: no further pulse leaves, the device is made safe and asked. What waits elsewhere in the
--- script ends. Unless stim:arm() follows, the run ends as stopped on request.
---@param why string? for the record
function Run:stop(why)
  local was = self.stage.past:take "stop"
  if was then
    self.stage.device.was_armed = nil
  else
    self.stage.stop(why)
  end
  self.stage.heard:turn()
end

local kind = handles.kind("run", Run, { "now", "device", "sleep", "uniform", "integer", "shuffle", "ask",
  "wait_trigger", "triggers", "trigger_count", "mark", "note", "prompt", "staircase", "threshold",
  "recruitment", "signal", "spawn", "stop" },
  { "params", "seed", "name" })

--- What the script holds: methods and facts; a name that is neither is an error at its line.
---@param stage moonpulse.Stage of the runner
---@param facts { params: table, seed: integer, name: string }
---@return moonpulse.ExperimentRun
function M.new(stage, facts)
  local run = setmetatable({ stage = stage, stims = {}, params = facts.params, seed = facts.seed,
    name = facts.name }, { __index = Run })
  run.asked = asked_again.new(stage, function(question) return Run.ask(run, question) end)
  run.reads = function(value, read) return run.asked:take(value, read) end
  run.handle = handles.new(kind, run)
  return run.handle
end

return M
