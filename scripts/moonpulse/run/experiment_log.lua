--- What an experiment's run shows, records, and keeps for recover.
local begin = require "moonpulse.run.begin"
local blame = require "moonpulse.text.author_line"
local conditions = require "moonpulse.record.conditions"
local catalogue = require "moonpulse.protocol.catalogue"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local ending = require "moonpulse.run.ending"
local gravest = require "moonpulse.safety.gravest"
local judge = require "moonpulse.safety.judge"
local keeping = require "moonpulse.run.keeping"
local live = require "moonpulse.run.live_line"
local lower = require "moonpulse.lowering"
local manifests = require "moonpulse.run.manifest"
local no_threshold = require "moonpulse.text.no_threshold"
local numbers = require "moonpulse.text.numbers"
local records = require "moonpulse.record"
local refusals = require "moonpulse.text.refusal"
local staircases = require "moonpulse.experiment.staircase"
local stimuli = require "moonpulse.compose.stimuli"

local M = {}

local Show = {}
Show.__index = Show

local long_s = 5 -- a plan that takes longer shows its progress
local confirmed_ns = 250000000 -- a plan that triggers start is over so long behind it

--- What the operator sees of an experiment, and what its record and journal keep.
---@param context moonpulse.Context of the run
---@param journal table
---@param draws table
function M.new(context, journal, draws)
  return setmetatable({ context = context, journal = journal, draws = draws, record = context.record,
    said = {}, due = {}, met = gravest.new() }, Show)
end

--- The seed for the random rests of plan number k.
---@param k integer
---@return integer
function Show:seed_of(k)
  return self.draws:of_plan(k)
end

--- So many plans were given by the run that this one goes on with: the next one has the number behind them.
---@param plans integer
function Show:gave_before(plans)
  self.draws.plans_before = self.draws.plans_before + plans
  self.context.job.plans = self.draws.plans_before
end

--- A line for the operator, with the run's time.
---@param text string
---@param at_ns integer? of what it tells (monotonic); now
function Show:say(text, at_ns)
  local since_ns = (at_ns or core.clock_ns()) - self.record.start_ns
  print(("%10.3f s  %s"):format(since_ns / 1e9, escapes.shown(text)))
  io.stdout:flush()
end

--- A hand sets the intensities of what comes, at a stimulator that is not armed: said and marked; a person at
--- a real one confirms it before anything is armed.
---@param text string which
---@param changed boolean another was confirmed before, or none
---@param ask fun(question: string): string
function Show:by_hand(text, changed, ask)
  self:say(text)
  self:mark(text, nil, { by_hand = true })
  if changed and not self.context.device.simulated then
    if ask "Is it set so? [y/n]" ~= "y" then
      refusals.raise("limit", "the operator has not set the intensity; nothing was armed")
    end
    self:mark("the operator has set it", nil, { by_hand = true })
  end
end

--- A row is a line, and is obeyed by no terminal.
local function row_text(text)
  return escapes.shown((text:gsub("%c", " ")))
end

--- The text of a mark as its row has it.
---@param text string
---@return string text
function Show:row_text(text)
  -- it names no folder of this computer: a script may note what was refused, with its place
  return manifests.placeless(self.context, row_text(text))
end

--- A named instant in the record.
---@param text string
---@param at_ns integer? when (monotonic); now
---@param of table? a staircase's trial, answer or end as data, for recover
---@param typed string? what was answered, behind the text: kept as it was typed
---@param code integer? its event code, given to the box now
---@param script true? the script itself marks it (run:mark, run:note)
function Show:mark(text, at_ns, of, typed, code, script)
  local clean = self:row_text(text)
  -- what somebody typed, perhaps a name, is nothing for a network
  local told = typed and clean:gsub(":?%s*$", "") or nil
  clean = clean .. row_text(typed or "")
  local since_ns = (at_ns or core.clock_ns()) - self.record.start_ns
  self.journal:write("mark", { at_ns = since_ns, text = clean, of = of, code = code,
    script = script })
  self.record:event("mark", since_ns, nil, "passed", clean, nil, nil, { code = code, told = told })
  if code and self.context.job.codes then
    self.give_code(code, self.record.start_ns + since_ns)
  end
end

--- Say once that event codes go nowhere.
local function say_no_box(self)
  if not self.said.codes then
    self.said.codes = true
    self:say "note: there are event codes, and no box is named for them (--codes PATH): they are not sent"
  end
end

--- A named instant of the script.
---@param text string
function Show:own_mark(text)
  self:mark(text, nil, nil, nil, nil, true)
end

--- A named instant of the script with an event code. Raises where the flight record would not hold it.
---@param text string
---@param code integer
function Show:coded_mark(text, code)
  if not self.context.job.codes then
    say_no_box(self)
  elseif self.record:room() < 1 then
    blame.fail("run:mark: the record of this run has no room for another event code: begin another run")
  end
  self:mark(text, nil, nil, nil, code, true)
end

--- A staircase, a hunt or a curve has its first trial: from now on the manifest has what is known of it,
--- also where the run ends before it does.
---@param list "staircases"|"thresholds"|"curves" of the manifest's experiment
---@param of moonpulse.Staircase|moonpulse.Hunt|moonpulse.Recruitment
function Show:begun(list, of)
  local experiment = self.context.experiment
  experiment[list] = experiment[list] or {}
  table.insert(experiment[list], of.facts)
end

--- The threshold that was given with the command; of one of several devices its own, if it has one.
local function given_threshold(job, name, place)
  for _, each in ipairs(place and job.several or {}) do
    if each.place == place and each.thresholds and each.thresholds[name] then
      return each.thresholds[name]
    end
  end
  return job.thresholds[name]
end

--- The motor threshold that held before a staircase or a hunt of its kind, on its device, found another: the
--- last one that was found, else the one that was given; nil: it does not say which one it finds.
local function threshold_before(context, kind, place)
  local before = kind and given_threshold(context.job, kind:lower(), place)
  for _, each in ipairs(context.found) do
    before = kind and each.kind == kind and each.device == place and each.threshold or before
  end
  return kind and (before or "none")
end

--- Of which of several devices a threshold is, in front of it.
local function whose(facts)
  return facts.device and facts.device .. ": " or ""
end

--- A staircase has its threshold, or has none: said, marked, in the manifest already.
---@param staircase moonpulse.Staircase
function Show:staircase_ended(staircase)
  local facts = staircase.facts
  local threshold, why, interval = facts.threshold, facts.why, facts.interval
  local text = ("%s%s%s (%d reversals, %d trials)"):format(whose(facts),
    threshold and ("%s %.4g %s"):format(staircases.kinds[staircase.kind] or "threshold", threshold,
      staircase.unit) or no_threshold.words(facts),
    interval and (", %d %% interval %.4g to %.4g"):format(interval.percent, interval.low,
      interval.high) or "",
    #staircase.found, staircase.number)
  local old = threshold_before(self.context, staircase.kind, facts.device)
  table.insert(self.context.found, facts)
  self:mark(text, nil, { staircase = staircase.place, threshold = threshold, interval = interval, why = why,
    above = facts.above, below = facts.below, reversals = #staircase.found, ended = true })
  self.context.job.audit:tell("threshold", { name = "staircase", of = staircase.kind,
    device = facts.device, old = old, new = threshold or "none", unit = staircase.unit, how = "found",
    rule = staircases.rule,
    reversals = #staircase.found, trials = staircase.number, why = why })
  self:say(text)
end

--- A hunt has its threshold, or has none: said, marked, in the manifest already.
---@param hunt moonpulse.Hunt
function Show:hunt_ended(hunt)
  local facts, text = hunt.facts, whose(hunt.facts) .. hunt:words()
  local old = threshold_before(self.context, facts.kind, facts.device)
  table.insert(self.context.found, facts)
  self:mark(text, nil, { hunt = hunt.place, threshold = facts.threshold, interval = facts.interval,
    why = facts.why, above = facts.above, below = facts.below, ended_by = facts.ended_by, ended = true })
  self.context.job.audit:tell("threshold", { name = "hunt", of = facts.kind, device = facts.device,
    old = old, new = facts.threshold or "none", unit = facts.unit, how = "found", method = facts.method,
    variant = facts.variant, trials = facts.trials, why = facts.why })
  self:say(text)
end

--- A curve has its trials: its fit, or why there is none, is said, marked, in the manifest already.
---@param curve moonpulse.Recruitment
function Show:curve_ended(curve)
  local facts, text = curve.facts, curve:words()
  self:mark(text, nil, { curve = curve.place, fit = facts.fit, why = facts.why, ended = true })
  self:say(text)
end

--- The stimulator is about to be armed. While it is, no file is replaced, made or taken away: a disk may take
--- its time over that, and the loop is silent meanwhile.
function Show:arming()
  keeping.more(self.context)
  manifests.write(self.context, "running")
end

--- The first arming says what the host granted; later ones say nothing.
---@param realtime string
function Show:armed(realtime)
  local context = self.context
  if not context.realtime then
    context.realtime = realtime
    ending.line("timing", realtime)
    io.stdout:flush()
  end
  self:mark("armed")
end

--- Raise where the flight record would not hold the plan as well: it is never filled by a plan that was
--- begun.
---@param who string the verb, for the sentence
---@param plan moonpulse.Plan
---@param starts integer? of a plan that triggers start: so often at most
function Show:check_room(who, plan, starts)
  local totals, room = plan:totals(), self.record:room()
  local needed = records.records_of(totals.pulses, totals.marks, totals.coded
    and self.context.job.codes ~= nil) + 2 * (starts or 0) -- its begin, its end
  if needed > room then
    blame.fail("%s: this run has planned %d pulses, and its record has room for some %d more; this plan has "
      .. "%d pulses and %d marks: begin another run", who, self.context.facts.pulses, math.max(0, room // 3),
      totals.pulses, totals.marks)
  end
end

--- The device was told a setting for a plan, which may be refused or stopped all the same.
---@param action moonpulse.Action
---@param told_ns integer when it was sent, monotonic
---@param at_ns integer when the device had it
---@param stimulator moonpulse.Stimulator? of several the one that was told
function Show:set(action, told_ns, at_ns, stimulator)
  local start_ns = self.record.start_ns
  self.record:event("set_intensity", at_ns - start_ns, at_ns - start_ns, "sent", nil, action)
  self.journal:did("set", { told_ns = told_ns - start_ns, at_ns = at_ns - start_ns,
    latency_ns = math.floor((stimulator or self.context.job).driver.latency * 1e9),
    action = manifests.plain_actions({ action })[1] })
end

-- what grows with every pulse, beyond its limit: that it did is told once
local grows = { pulses = true, s = true }

--- What the safety gate has against it: each kind, and again where it is graver than it was told.
---@param report moonpulse.Report
function Show:concerns(report)
  for _, finding in ipairs(judge.concerns { findings = self.met:add(report) }) do
    local kind = gravest.kind(finding)
    local growing = grows[finding.unit] and finding.limit and finding.value > finding.limit
    if not (growing and self.said[kind]) then
      self.said[kind] = true
      self:say(finding.verdict .. ": " .. judge.sentence(finding))
      if self.context.job.feed then
        self.context.job.feed:finding(finding)
      end
    end
  end
  self.context.job.plays = self.met.report
end

--- What the journal and the record need of a plan, once for all its plays.
---@param admitted moonpulse.Admitted
---@return table prepared
function Show:prepare(admitted)
  local context = self.context
  local facts = catalogue.measure(admitted.plan, admitted.seed)
  local map = stimuli.of(admitted.plan, admitted.seed)
  local play = (admitted.all and manifests.flight_facts_of_several or manifests.flight_facts) {
    lowering = admitted.lowering, actions = admitted.actions, driver = context.job.driver,
    tolerance = context.job.tolerance, stimuli = map, all = admitted.all, those = admitted.those }
  play.seed, play.pulses = admitted.seed, facts.pulses
  play.marks_planned = facts.marks > 0 and facts.marks or nil -- so many rows of marks: else it broke off
  return { facts = facts, map = map, play = play }
end

--- What a plan gives, for the operator, and what the safety gate has against it.
---@param at_ns integer? when its first pulse is planned (monotonic); nil: triggers decide that
local function say_plan(self, admitted, pulses, at_ns, more)
  if pulses == 0 then
    self:say(("no pulse: %s"):format(numbers.counted(admitted.plan:totals().marks, "mark")))
  else
    local in_order = admitted.in_order or lower.in_order(admitted.lowering, admitted.actions)
    local doses = lower.dose(in_order, self.context.job.thresholds, true)
    self:say(("%s: %s%s"):format(pulses == 1 and "1 pulse" or numbers.count(pulses) .. " pulses",
      table.concat(doses, ", "), more or ""), at_ns)
  end
  self:concerns(admitted.report)
  begin.say_codes(self.context.job, admitted.plan, function(text)
    if not self.said.codes then
      self.said.codes = true
      self:say("note: " .. text)
    end
  end)
end

--- Play number k begins at start_ns (monotonic): its pulses are counted on from the last one.
local function begin_play(self, k, admitted, prepared, start_ns)
  local context, record, facts = self.context, self.record, prepared.facts
  self.due[#self.due + 1] = start_ns + (facts.pulses > 0 and math.floor(facts.first_s * 1e9 + 0.5) or 0)
  prepared.play.counted = self.of_each and record:counted()
  record:next_play(admitted.actions, self.of_each or context.job.driver, self.slow_ns, k)
  record:set_stimuli(prepared.map)
  if context.job.markers then
    context.job.markers:plays(admitted.plan, admitted.seed, record.last_number)
  end
  context.facts.pulses = context.facts.pulses + facts.pulses
  self.play, self.plan, self.sent_before = prepared.play, admitted.plan, record.pulses_sent
  self.play.play = k
  context.job.playing = { plan = admitted.plan, seed = admitted.seed, stimuli = prepared.map }
  context.job.plans = self.draws.plans_before + k
end

local function count_play(self)
  local context = self.context
  context.experiment.plays = self.play.play
  conditions.plan_into(context.conditions, context.trials, self.plan)
end

--- It is in the journal, on disk before anything can leave: so it counts.
local function write_play(self, start_ns)
  self.play.start_ns = start_ns
  self.journal:write("play", self.play)
  count_play(self)
end

--- Triggers start a plan from now on, at most so often as the rule says: in the journal before any can.
---@param k integer the first play that it may become
---@param rule table of moonpulse.Ahead: which triggers, and how often
---@param admitted moonpulse.Admitted
---@param worst moonpulse.Admitted what the safety gate judged: all of them, as close as they may come
---@return table prepared
function Show:ahead(k, rule, admitted, worst)
  local prepared = self:prepare(admitted)
  prepared.play.counted = self.of_each and self.record:counted()
  local ahead = { play = k, count = rule.most, byte = rule.byte, every = rule.every,
    delay_ns = rule.delay_ns, refractory_ns = rule.refractory_ns, from_ns = rule.called_ns,
    until_ns = rule.until_ns, at_ns = core.clock_ns() - self.record.start_ns }
  for key, value in pairs(prepared.play) do
    ahead[key] = value
  end
  self.journal:write("ahead", ahead)
  say_plan(self, admitted, prepared.facts.pulses, nil,
    (", at each trigger from now on, at most %s times"):format(numbers.count(rule.most)))
  self:concerns(worst.report)
  return prepared
end

--- A trigger has started it.
---@param k integer the play that it is
---@param admitted moonpulse.Admitted
---@param prepared table of ahead()
---@param start_ns integer
---@param trigger_ns integer
---@param refractory_ns integer from this start to the next one, at least
function Show:triggered(k, admitted, prepared, start_ns, trigger_ns, refractory_ns)
  begin_play(self, k, admitted, prepared, start_ns)
  local span_ns = math.ceil(admitted.plan:totals().span * 1e9)
  -- its last pulse has time to be confirmed, where the next start leaves it
  self.context.job.playing.over_ns = start_ns + span_ns
    + math.min(confirmed_ns, math.max(0, refractory_ns - span_ns) // 2)
  local play = self.play
  play.start_ns, play.from_ns, play.triggered = start_ns, trigger_ns, true
  count_play(self)
  self.journal:did("play", play)
  self:mark("trigger: it starts the plan", trigger_ns)
end

--- Pulses from outside are waited for from now on: in the journal before any can be taken.
---@param k integer the play that the first one becomes
---@param rule table of moonpulse.experiment.watch
---@param admitted moonpulse.Admitted the pulse
---@param worst moonpulse.Admitted what the safety gate judged: all of them, as close as they may come
---@return table prepared
function Show:watches(k, rule, admitted, worst)
  local prepared = self:prepare(admitted)
  local watch = { play = k, count = rule.count, refractory_ns = rule.refractory_ns,
    from_ns = rule.called_ns, until_ns = rule.until_ns, at_ns = core.clock_ns() - self.record.start_ns }
  for key, value in pairs(prepared.play) do
    watch[key] = value
  end
  self.journal:write("watch", watch)
  say_plan(self, admitted, prepared.facts.pulses, nil,
    (", whenever an external device fires, at most %s times, until %.3f s"):format(numbers.count(rule.count),
      (rule.until_ns - self.record.start_ns) / 1e9))
  self:concerns(worst.report)
  return prepared
end

--- One has come: it is a play of its own.
---@param k integer
---@param admitted moonpulse.Admitted
---@param prepared table of watches()
---@param at_ns integer when the device reported it
---@param verdict string as of moonpulse.Outside
function Show:external(k, admitted, prepared, at_ns, verdict)
  begin_play(self, k, admitted, prepared, at_ns)
  local play = self.play
  self.context.job.playing.over_ns = at_ns -- it came already
  play.start_ns, play.from_ns, play.external = at_ns, at_ns, verdict
  count_play(self)
  self.record:play(k, at_ns)
  self.journal:did("play", play)
end

--- No more are waited for.
---@param k integer the play that the first one became
---@param how moonpulse.Outside
---@param why string? nil: a stop
function Show:watched(k, how, why)
  local text = ("%s from outside%s"):format(numbers.counted(how.pulses, "pulse"), why == "count"
    and ": as many as were waited for" or why == "timeout" and ": the time is over" or "")
  self:say(text)
  self.context.job.audit:tell("watched", { play = k, pulses = how.pulses, why = why })
end

--- Plan number k is about to be played.
---@param k integer
---@param admitted moonpulse.Admitted
---@param start_ns integer when it will start (monotonic)
function Show:next_play(k, admitted, start_ns)
  local context, prepared = self.context, self:prepare(admitted)
  local facts = prepared.facts
  begin_play(self, k, admitted, prepared, start_ns)
  self.play.from_ns = core.clock_ns()
  say_plan(self, admitted, facts.pulses, start_ns + math.floor(facts.first_s * 1e9 + 0.5))
  self.screen = facts.first_to_last_s > long_s
    and live.new(facts.pulses, facts.first_to_last_s, context.speed) or nil
end

--- It will start at start_ns (monotonic).
---@param start_ns integer
function Show:starts(start_ns)
  self.context.job.playing.from_ns = start_ns
  write_play(self, start_ns)
end

--- The live line of the plan that is being played.
---@param elapsed number seconds from its start
function Show:progress(elapsed)
  self.elapsed = math.max(0, elapsed)
  if self.screen then
    self.screen:update(self.elapsed, self.record.pulses_sent - self.sent_before, self.record.worst_us)
  end
end

--- The plan is over, or was stopped.
function Show:played()
  self.context.job.playing = nil
  if self.screen then
    self.screen:finish(math.min(self.elapsed or 0, self.screen.seconds),
      self.record.pulses_sent - self.sent_before, self.record.worst_us)
    self.screen = nil
  end
end

--- What it measures by, and who gives the codes of marks: the first of several devices, which have one box.
---@param stimulator moonpulse.Stimulator
function Show:of_stimulator(stimulator)
  self.slow_ns, self.of_each = stimulator.slow_ns, stimulator.list
  local first = stimulator.list and stimulator.list[1] or stimulator
  self.give_code = function(...) require("moonpulse.stimulator.codes").give(first, ...) end
end

--- What is told of staircases, hunts and curves goes to it.
---@param stage moonpulse.Stage
function Show:hear_measures(stage)
  stage.staircase_begun = function(staircase) self:begun("staircases", staircase) end
  stage.staircase_ended = function(staircase) self:staircase_ended(staircase) end
  stage.hunt_begun = function(hunt) self:begun("thresholds", hunt) end
  stage.hunt_ended = function(hunt) self:hunt_ended(hunt) end
  stage.curve_begun = function(curve) self:begun("curves", curve) end
  stage.curve_ended = function(curve) self:curve_ended(curve) end
end

return M
