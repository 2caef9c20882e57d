--- stim:on_trigger: a plan that is armed ahead, and that the engine starts by itself when a trigger comes.
local aheads = require "moonpulse.stimulator.ahead"
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local line_bytes = require "moonpulse.experiment.line_bytes"
local lower = require "moonpulse.lowering"
local numbers = require "moonpulse.text.numbers"
local outputs = require "moonpulse.driver.outputs"
local triggers_heard = require "moonpulse.experiment.triggers_heard"
local value_words = require "moonpulse.text.value_words"

local M = {}

local known = { count = "number", refractory = "number", byte = "?number", every = "?number",
  delay = "?number", timeout = "?number", window = "?table", gate = "?text", line = "?text",
  edge = "?text" }
local gates = { cts = true, dsr = true, ri = true, cd = true }
local most_count, longest_s = 1000000, 1e6

local function whole(key, value, least, most)
  if math.type(value) ~= "integer" or value < least or value > most then
    blame.fail("stim:on_trigger: %s must be a whole number from %d to %d, not %s", key, least, most,
      value_words.shown(value))
  end
  return value
end

local function seconds_ns(key, value)
  if not math.type(value) or not (value >= 0 and value <= longest_s) then
    blame.fail("stim:on_trigger: %s must be seconds from 0 to %d, not %s", key, longest_s,
      value_words.shown(value))
  end
  return math.floor(value * 1e9 + 0.5)
end

--- window = { least, most }: from the trigger before; with from = "call" from the call.
local function take_window(rule, window, now_ns)
  if window == nil then
    return
  end
  local from = type(window) == "table" and (window.from or "trigger")
  for key in pairs(from and window or {}) do
    from = (key == 1 or key == 2 or key == "from") and from
  end
  if from ~= "trigger" and from ~= "call" or window[1] == nil or window[2] == nil then
    blame.fail("stim:on_trigger: window must be { least, most } in seconds from the trigger before, or "
      .. "{ least, most, from = \"call\" } from when stim:on_trigger was called")
  end
  local least_ns, most_ns = seconds_ns("window[1]", window[1]), seconds_ns("window[2]", window[2])
  if most_ns < least_ns or most_ns == 0 then
    blame.fail("stim:on_trigger: window = { %g, %g } lets no trigger through: the longer time comes second",
      window[1], window[2])
  elseif from == "trigger" then
    rule.least_ns, rule.most_ns = least_ns, most_ns
  else
    rule.from_ns = now_ns + least_ns
    rule.until_ns = math.min(rule.until_ns or math.maxinteger, now_ns + most_ns)
  end
end

--- The options as the engine has them.
---@param options table
---@param now_ns integer of the call (monotonic)
---@return table rule
function M.rule(options, now_ns)
  blame.options("stim:on_trigger", options, known)
  local timeout_ns = options.timeout and seconds_ns("timeout", options.timeout)
  if options.gate ~= nil and not gates[options.gate] then
    blame.fail("stim:on_trigger: gate must be \"cts\", \"dsr\", \"ri\" or \"cd\", a line of the "
      .. "triggers' port, not %s", value_words.shown(options.gate))
  end
  local rule = {
    called_ns = now_ns,
    line = options.line,
    byte = line_bytes.asked("stim:on_trigger", options)
      or options.byte and whole("byte", options.byte, 0, 255),
    every = options.every and whole("every", options.every, 1, 1000000),
    most = whole("count", options.count, 1, most_count),
    delay_ns = options.delay and seconds_ns("delay", options.delay),
    refractory_ns = seconds_ns("refractory", options.refractory),
    until_ns = timeout_ns and now_ns + timeout_ns,
    gate = options.gate,
  }
  take_window(rule, options.window, now_ns)
  return rule
end

--- All of its times are so much later.
---@param rule table
---@param late_ns integer
function M.shift(rule, late_ns)
  for _, key in ipairs { "called_ns", "from_ns", "until_ns" } do
    rule[key] = rule[key] and rule[key] + late_ns
  end
end

--- Raise where the plan cannot be started again and again as it is.
---@param plan moonpulse.Plan
---@param options table
function M.check(plan, options)
  local totals = plan:totals()
  if totals.random then
    blame.fail("stim:on_trigger: the plan has a rest that is drawn from the seed, and would have the same "
      .. "one at each trigger: draw it with run:uniform() and call stim:on_trigger for each")
  elseif totals.pulses == 0 then
    blame.fail("stim:on_trigger: the plan has no pulse: to mark each trigger call run:mark after "
      .. "run:wait_trigger")
  elseif options.refractory <= 0 then
    blame.fail("stim:on_trigger: refractory must be above 0: from a start to the next one, in seconds")
  elseif options.refractory < totals.span then
    blame.fail("stim:on_trigger: the plan takes %s, and the next trigger may start it %s after the last "
      .. "start: make refractory at least as long", numbers.seconds(totals.span),
      numbers.seconds(options.refractory))
  end
end

--- Each output stays at one setting: between a start and the next there is no time for another.
---@param admitted moonpulse.Admitted
---@param output_of fun(action: moonpulse.Action): integer
function M.check_settings(admitted, output_of)
  local at = {}
  for _, action in ipairs(admitted.actions) do
    local output = output_of(action)
    local before = at[output]
    if before and before.mso ~= action.mso then
      blame.fail("stim:on_trigger: the plan has pulses of %g and %g %%MSO: the stimulator would have to be "
        .. "set anew before each start; use one intensity, and stim:on_trigger again for the other",
        before.mso, action.mso)
    elseif before and before.train ~= action.train then
      blame.fail("stim:on_trigger: the plan has %s, then %s, and the stimulator would have to be set anew "
        .. "before each start: use --timing host, or stim:on_trigger for each", lower.describe(before),
        lower.describe(action))
    end
    at[output] = action
  end
end

--- The device must be ready for the plan's first pulse again when the refractory time is over.
---@param admitted moonpulse.Admitted
---@param limits moonpulse.Limits
---@param refractory_ns integer
function M.check_rest(admitted, limits, refractory_ns)
  local last, needed_ns = {}, 0
  local last_ns = math.ceil(admitted.plan:totals().last * 1e9)
  for _, first in ipairs(admitted.firsts) do
    last[first.output] = { action = first.action, at_ns = last_ns, fired_ns = last_ns }
  end
  for _, first in ipairs(admitted.firsts) do
    needed_ns = math.max(needed_ns, outputs.free_at(last, limits, first) - first.onset_ns)
  end
  if refractory_ns < needed_ns then
    blame.fail("stim:on_trigger: the stimulator takes the plan's first pulse again %s after a start at the "
      .. "earliest (its shortest interval there): make refractory at least as long",
      numbers.seconds(math.ceil(needed_ns / 1000) / 1e6))
  end
end

M.heard, M.play = triggers_heard.new, aheads.play

--- The verb: see moonpulse.ExperimentDevice.on_trigger.
---@param self moonpulse.ExperimentDevice
---@param help table of stim_verbs: what the verbs have in common
---@param plan moonpulse.Plan
---@param options table
---@param counts fun() as of moonpulse.Heard.try
---@param begins fun() likewise
---@param refused boolean? likewise
---@return integer starts
---@return integer triggers
function M.run(self, help, plan, options, counts, begins, refused)
  local who, show = "stim:on_trigger", self.show
  help.check_plan(who, plan)
  plan = self:placed(who, plan)
  local rule = M.rule(options, refused and core.clock_ns() or self.triggers:called())
  M.check(plan, options)
  local from = self.triggers:lend(who, rule)
  local turn <close> = self.turns:take("play", who) -- luacheck: ignore 211
  help.must_be_armed(who, self)
  local first, seed = self.plays + 1, show:seed_of(self.plays + 1)
  local all = plan:times(rule.most, { every = options.refractory })
  show:check_room(who, all, rule.most)
  local worst = help.admit(self, all, seed, help.play_ahead_ns, nil, true)
  local admitted = help.admit(self, plan, seed, help.play_ahead_ns)
  local stimulator, of_one = self.stimulator:only(admitted)
  if not stimulator then
    blame.fail("stim:on_trigger: the plan has pulses of several devices: a trigger starts a plan of one; "
      .. "wait for it with run:wait_trigger, and play the plan then")
  end
  M.check_settings(admitted, function(action) return stimulator:output_of(action) end)
  M.check_rest(admitted, stimulator.driver.limits(stimulator.identity), rule.refractory_ns)
  local heard = M.heard(self.triggers, self.mark, self.tell, rule.line ~= nil)
  self:gives(admitted.those)
  local sum_up
  local ok, problem = pcall(function()
    begins()
    help.make_ready(self, who, admitted)
    counts()
    M.shift(rule, self.triggers:give_again(rule))
    sum_up = function() heard:sum_up() end
    local prepared = show:ahead(first, rule, admitted, worst)
    help.note_channels(self, plan, seed)
    stimulator.busy = true
    M.play(stimulator, of_one, { from = from, rule = rule, first = first,
      heard = function(...) heard:add(...) end, lost = function(...) heard:lose(...) end,
      reacted = function(reaction_ns) heard:reacted(reaction_ns) end,
      is_over = function()
        heard:look(core.clock_ns())
        return self.triggers:dried_up()
      end,
      begun = function(number, start_ns, trigger_ns)
        self.plays, heard.starts = number, heard.starts + 1
        self.dose:ended()
        self.dose:begins(plan, seed, worst.report, help.since_start(self, start_ns))
        show:triggered(number, admitted, prepared, start_ns, trigger_ns, rule.refractory_ns)
      end })
  end)
  stimulator.busy = nil
  return self:played(ok, problem, sum_up, heard.starts, heard.triggers)
end

return M
