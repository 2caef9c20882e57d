--- What became of the triggers of stim:on_trigger, as they come: each is counted, told to the record and put
--- into the queue of all parts of the script. A trigger that starts the plan has a line of its own. Of the
--- others the first hundred in a second have one, and the rest are told as sums: how many of a kind, from
--- when to when. So a storm costs the loop little, and nothing of it is lost.
local core = require "moonpulse.core"
local numbers = require "moonpulse.text.numbers"

local M = {}

local each_most, second_ns = 100, 1000000000
local rows_most = 10000 -- of those that start nothing; after them only sums
local passed_over = { "counted", "window", "gate", "busy", "refractory", "over", "outside" }
local words = { counted = "counted: each n-th starts the plan", busy = "passed over: the plan was going on",
  refractory = "passed over: within the refractory time",
  over = "passed over: it was started as often as it may be",
  window = "passed over: outside the window from the trigger before", gate = "passed over: the gate was low",
  outside = "passed over: outside the time for triggers" }

---@class moonpulse.TriggersHeard
---@field starts integer
---@field triggers integer those that matched
---@field untold integer of the engine: they came faster than they could be told
---@field by table<string, integer> those that started nothing, by what became of them
---@field run moonpulse.TriggersOfRun
local Heard = {}
Heard.__index = Heard

---@class moonpulse.TriggersOfRun of all calls of a run's script
---@field by table<string, integer>
---@field untold integer
---@field reactions_ns integer[] of each start: from the trigger, or the delay after it, to the first command
---   that was handed over

--- No plan has waited for triggers yet.
---@return moonpulse.TriggersOfRun
function M.of_run()
  return { by = {}, untold = 0, reactions_ns = {} }
end

--- Those that were only counted.
---@param self moonpulse.TriggersHeard
local function tell_sums(self)
  local sums = self.sums
  self.sums = {}
  for _, sum in ipairs(sums) do
    self.mark(("trigger: byte %d, %s times within %.3f s, %s"):format(sum.byte, numbers.count(sum.count),
      sum.lasted_ns / 1e9, words[sum.heard]), sum.at_ns,
      { passed_over = true })
    self.tell("trigger", { byte = sum.byte, heard = sum.heard, count = sum.count,
      lasted_ns = sum.lasted_ns }, sum.at_ns)
  end
end

--- One more that is only counted.
local function add_to_sum(self, byte, at_ns, verdict)
  local key = verdict .. byte
  local sum = self.sums[key]
  if not sum then
    sum = { byte = byte, heard = verdict, count = 0, at_ns = at_ns }
    self.sums[key], self.sums[#self.sums + 1] = sum, sum
  end
  sum.count, sum.lasted_ns = sum.count + 1, at_ns - sum.at_ns
end

local function pass_over(self, byte, at_ns, verdict)
  self:look(at_ns)
  if self.second_ns == nil then
    self.second_ns, self.told = at_ns, 0
  end
  if self.told >= each_most or self.rows >= rows_most then
    return add_to_sum(self, byte, at_ns, verdict)
  end
  self.told, self.rows = self.told + 1, self.rows + 1
  self.mark(("trigger: byte %d, %s"):format(byte, words[verdict]), at_ns)
  self.tell("trigger", { byte = byte, heard = verdict }, at_ns)
end

--- A trigger and its verdict.
---@param byte integer
---@param at_ns integer when it came (monotonic)
---@param verdict moonpulse.core.Heard
---@param untold integer so many more came before it
function Heard:add(byte, at_ns, verdict, untold)
  self.untold, self.run.untold = self.untold + untold, self.run.untold + untold
  self.from:hear(byte, at_ns, verdict)
  if verdict == "other" then
    return
  end
  self.triggers = self.triggers + 1
  self.run.by[verdict] = (self.run.by[verdict] or 0) + 1
  if verdict == "starts" then
    tell_sums(self) -- before it, as they came
    self.tell("trigger", { byte = byte, heard = verdict }, at_ns)
  else
    self.by[verdict] = (self.by[verdict] or 0) + 1
    pass_over(self, byte, at_ns, verdict)
  end
end

--- Tell what was only counted once its second is over.
---@param now_ns integer monotonic
function Heard:look(now_ns)
  if self.second_ns and now_ns - self.second_ns >= second_ns then
    tell_sums(self)
    self.second_ns = nil
  end
end

--- The first command of a start was handed over.
---@param reaction_ns integer
function Heard:reacted(reaction_ns)
  table.insert(self.run.reactions_ns, reaction_ns)
end

--- At the end: how many of each kind, for the record.
function Heard:sum_up()
  tell_sums(self)
  local parts = {}
  for _, verdict in ipairs(passed_over) do
    if self.by[verdict] then
      parts[#parts + 1] = ("%s %s"):format(numbers.count(self.by[verdict]), words[verdict])
    end
  end
  if self.untold > 0 then
    parts[#parts + 1] = ("%s more came faster than they could be told: passed over"):format(
      numbers.count(self.untold))
  end
  self.mark(("triggers: %s, %s started the plan%s"):format(numbers.count(self.triggers + self.untold),
    numbers.count(self.starts), #parts > 0 and "; " .. table.concat(parts, "; ") or ""), core.clock_ns())
end

--- Nothing was heard yet.
---@param from table of moonpulse.experiment.wait_trigger
---@param mark fun(text: string, at_ns: integer?, of: table?)
---@param tell fun(kind: string, entry: table, at_ns: integer?) to the audit trail
---@return moonpulse.TriggersHeard
function M.new(from, mark, tell)
  from.on_trigger = from.on_trigger or M.of_run()
  return setmetatable({ starts = 0, triggers = 0, untold = 0, rows = 0, by = {}, sums = {}, from = from,
    run = from.on_trigger, mark = mark, tell = tell }, Heard)
end

return M
