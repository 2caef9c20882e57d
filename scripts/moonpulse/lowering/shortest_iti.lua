--- The shortest interval of trials, from onset to onset, that a device can give: of what a plan repeats, in
--- every order.
local core = require "moonpulse.core"
local lowering = require "moonpulse.lowering"
local redraw = require "moonpulse.compose.redraw"
local same_plan = require "moonpulse.compose.same_plan"

local M = {}

local MOST_KINDS = 16    -- of trials, of which each is put before each
local MOST_PULSES = 5000 -- of one trial
local MOST_STEPS = 60    -- of raising; each one is for another two trials
local APART_S = 1        -- what has no other pulse so near is a trial, where nobody says what is one

local function is_trial(view)
  return (" " .. view.roles .. " "):find(" trial ", 1, true) ~= nil
end

local collect

--- Children between longer rests are a trial each, if they are pulses; else they are looked into.
local function from_sequence(self, plan, view, wrap)
  local parts = {}
  local function close()
    if #parts == 1 then
      collect(self, parts[1], wrap)
    elseif #parts > 1 then
      self.add(core.sequence_of(parts), wrap)
    end
    parts = {}
  end
  for i = 1, view.children do
    local child = plan:child(i)
    local each = child:view()
    local pulses = child:totals().pulses
    if pulses == 0 and each.kind == "rest" and each.min >= APART_S then
      close()
    elseif each.kind ~= "mark" and (pulses > 0 or parts[1]) then
      if pulses > 0 and each.kind ~= "pulse" then -- a part of its own
        close()
        collect(self, child, wrap)
      else
        parts[#parts + 1] = child
      end
    end
  end
  close()
end

--- What a plan repeats: each kind once.
function collect(self, plan, wrap)
  local view, totals = plan:view(), plan:totals()
  if totals.pulses == 0 or self.kinds[MOST_KINDS + 1] then
    return
  elseif is_trial(view) or view.kind == "repeat" and view.count == 1 then
    collect(self, plan:child(1), wrap)
  elseif view.kind == "repeat" and view.spacing ~= "train" then
    collect(self, plan:child(1), wrap)
    self.given = self.given + view.count - 1
  elseif view.kind == "channel" then
    collect(self, plan:child(1), function(part) return core.channel(wrap(part), view.text) end)
  elseif view.kind == "sequence" and view.label ~= "pair" then
    from_sequence(self, plan, view, wrap)
  else
    self.add(plan, wrap)
  end
end

--- The kinds of trial in a plan; nil where it has too many, or gives one only.
local function kinds_of(plan)
  local numbers, known = same_plan.new(), {}
  local self = { kinds = {}, given = 0 }
  function self.add(part, wrap)
    local trial = wrap(redraw.with_rests(part, 0))
    local number = numbers:of(trial)
    self.given = self.given + 1
    if not known[number] then
      known[number] = true
      self.kinds[#self.kinds + 1] = trial
    end
  end
  collect(self, plan, function(part) return part end)
  local most = 0
  for _, trial in ipairs(self.kinds) do
    most = math.max(most, trial:totals().pulses)
  end
  return self.given > 1 and #self.kinds <= MOST_KINDS and most <= MOST_PULSES and self.kinds or nil
end

--- Each kind before each, so many milliseconds from onset to onset. A mark keeps a device from taking several
--- trials as one train.
local function arranged(kinds, ms)
  local parts = {}
  local function add(trial)
    parts[#parts + 1] = core.mark "trial"
    parts[#parts + 1] = core.repeat_plan(trial, 1, "train", ("%d/1000"):format(ms))
  end
  for i, trial in ipairs(kinds) do
    add(trial)
    add(trial)
    for j = i + 1, #kinds do
      add(kinds[j])
      add(trial)
    end
  end
  return core.sequence_of(parts)
end

--- Seconds, in whole milliseconds; nil where the plan has no trials of few kinds, or where the device refuses
--- them for another reason than what lies between them.
---@param plan moonpulse.Plan
---@param given { driver: moonpulse.Driver, thresholds: { rmt: number?, amt: number? },
---   timing: "host"|"device"|"auto"|nil }
---@return number?
function M.of(plan, given)
  local kinds = kinds_of(plan)
  if not kinds then
    return nil
  end
  local ms, before = 1, nil
  for _, trial in ipairs(kinds) do
    ms = math.max(ms, math.ceil(trial:totals().span * 1000 - 1e-6))
  end
  for _ = 1, MOST_STEPS do
    local ok, problem = pcall(lowering.prepare, { plan = arranged(kinds, ms), seed = 1, driver = given.driver,
      thresholds = given.thresholds, timing = given.timing })
    if ok then
      return ms / 1000
    elseif type(problem) ~= "table" then
      error(problem, 0)
    elseif not problem.short_ns or problem.message == before then
      return nil
    end
    before = problem.message
    ms = ms + math.max(1, math.ceil(problem.short_ns / 1e6))
  end
end

return M
