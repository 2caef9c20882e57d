--- What became of the triggers of stim:on_trigger, as they come, many at once: each is counted, told to the
--- record and put into the queue of all parts of the script. A trigger that starts the plan has a line of its
--- own. Of the others the first hundred in a second have one, and the rest are told as sums: how many of a
--- kind, from when to when. So a storm costs the loop little, and nothing of it is lost.
local core = require "moonpulse.core"
local line_bytes = require "moonpulse.experiment.line_bytes"
local logs = require "moonpulse.experiment.trigger_log"
local numbers = require "moonpulse.text.numbers"

local M = {}

local time_of = logs.time_of
local each_most, second_ns = 100, 1000000000
local rows_most = 10000 -- of those that start nothing; after them only sums
local values_most = 8 -- of bytes with a sum of their own, where any byte is a trigger
local passed_over = { "counted", "window", "gate", "busy", "refractory", "over", "outside" }
local starts, not_other = "\0", "[^\1]" -- of what core.heard has an index
local words = { starts = "it started the plan", counted = "counted: each n-th starts the plan",
  busy = "passed over: the plan was going on",
  refractory = "passed over: within the refractory time",
  over = "passed over: it was started as often as it may be",
  window = "passed over: outside the window from the trigger before", gate = "passed over: the gate was low",
  outside = "passed over: outside the time for triggers" }

---@class moonpulse.TriggersHeard
---@field starts integer
---@field triggers integer those that matched
---@field untold integer of these, those that the engine only counted: they came too fast to be told
---@field by table<string, integer> those that started nothing, by what became of them
---@field name fun(byte: integer): string
---@field run moonpulse.TriggersOfRun
local Heard = {}
Heard.__index = Heard

---@class moonpulse.TriggersOfRun of all calls of a run's script
---@field by table<string, integer>
---@field untold integer bytes of any value that the engine only counted
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
    self.mark(("trigger: %s, %s times within %.3f s, %s"):format(sum.byte and self.name(sum.byte)
      or "other bytes", numbers.count(sum.count), sum.lasted_ns / 1e9, words[sum.heard]), sum.at_ns,
      { passed_over = true })
    self.tell("trigger", { byte = sum.byte, heard = sum.heard, count = sum.count,
      lasted_ns = sum.lasted_ns }, sum.at_ns)
  end
end

--- More that are only counted; behind the first values of a verdict the others have one sum.
local function add_to_sum(self, byte, verdict, count, from_ns, until_ns)
  local sums, values = self.sums, self.sums[verdict] or 0
  local key = verdict .. byte
  if not sums[key] and values >= values_most then
    key, byte = verdict .. " others", nil
  end
  local sum = sums[key]
  if not sum then
    sum = { byte = byte, heard = verdict, count = 0, at_ns = from_ns }
    sums[key], sums[#sums + 1], sums[verdict] = sum, sum, values + 1
  end
  sum.count, sum.lasted_ns = sum.count + count, math.max(0, until_ns - sum.at_ns)
end

local function count(self, verdict, more)
  self.triggers = self.triggers + more
  self.run.by[verdict] = (self.run.by[verdict] or 0) + more
  if verdict ~= "starts" then
    self.by[verdict] = (self.by[verdict] or 0) + more
  end
end

--- The last place of a stretch of what came whose time is before an instant.
local function last_before(times, from, to, end_ns)
  if time_of(times, to) < end_ns then
    return to
  end
  while from < to do -- its first one is
    local middle = (from + to + 1) // 2
    if time_of(times, middle) < end_ns then
      from = middle
    else
      to = middle - 1
    end
  end
  return from
end

--- Those of a stretch without starts that are not told one by one, as far as its second goes.
---@return integer place behind them
local function sum_up_stretch(self, bytes, heard, times, from, to)
  to = last_before(times, from, to, self.second_ns + second_ns)
  for _, sum in ipairs(core.trigger_sums(bytes, heard, from, to)) do
    count(self, sum.heard, sum.count)
    add_to_sum(self, sum.byte, sum.heard, sum.count, time_of(times, sum.first), time_of(times, sum.last))
  end
  return to + 1
end

--- One that starts nothing, and those behind it that are only counted.
---@return integer place behind them
local function pass_over(self, bytes, heard, times, at)
  local at_ns = time_of(times, at)
  self:look(at_ns)
  if self.second_ns == nil then
    self.second_ns, self.told = at_ns, 0
  end
  if self.told >= each_most or self.rows >= rows_most then
    return sum_up_stretch(self, bytes, heard, times, at, (heard:find(starts, at, true) or #heard + 1) - 1)
  end
  local byte, verdict = bytes:byte(at), core.heard[heard:byte(at)]
  self.told, self.rows = self.told + 1, self.rows + 1
  count(self, verdict, 1)
  self.mark(("trigger: %s, %s"):format(self.name(byte), words[verdict]), at_ns)
  self.tell("trigger", { byte = byte, heard = verdict }, at_ns)
  return at + 1
end

--- Triggers and their verdicts, in order.
---@param bytes string
---@param heard string an index of core.heard for each
---@param times integer|string when they came, as core.session tells it
---@param matched integer those of them that are not "other"
function Heard:add(bytes, heard, times, matched)
  self.from:hear(bytes, heard, times, matched)
  local at = matched > 0 and heard:find(not_other)
  while at do
    if heard:byte(at) ~= 0 then
      at = pass_over(self, bytes, heard, times, at)
    else
      count(self, "starts", 1)
      tell_sums(self) -- before it, as they came
      self.tell("trigger", { byte = bytes:byte(at), heard = "starts" }, time_of(times, at))
      at = at + 1
    end
    at = heard:find(not_other, at)
  end
end

--- Those that came faster than they could be told: the engine has counted them.
---@param sums { byte: integer, heard: moonpulse.core.Heard, count: integer }[]
---@param from_ns integer when the first came (monotonic)
---@param until_ns integer and the last
function Heard:lose(sums, from_ns, until_ns)
  self.from:lose(sums, until_ns)
  for _, sum in ipairs(sums) do
    self.run.untold = self.run.untold + sum.count
    if sum.heard ~= "other" then
      self.untold = self.untold + sum.count
      count(self, sum.heard, sum.count)
      add_to_sum(self, sum.byte, sum.heard, sum.count, from_ns, until_ns)
    end
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
    parts[#parts + 1] = ("%s of them came faster than they could be told one by one"):format(
      numbers.count(self.untold))
  end
  self.mark(("triggers: %s, %s started the plan%s"):format(numbers.count(self.triggers),
    numbers.count(self.starts), #parts > 0 and "; " .. table.concat(parts, "; ") or ""), core.clock_ns(),
    (not core.is_virtual() or self.from.heard.recall) and { passed_over = true } or nil)
end

local function byte_words(byte)
  return ("byte %d"):format(byte)
end

--- Nothing was heard yet.
---@param from table of moonpulse.experiment.wait_trigger
---@param mark fun(text: string, at_ns: integer?, of: table?)
---@param tell fun(kind: string, entry: table, at_ns: integer?) to the audit trail
---@param edges boolean? the triggers are edges of lines, and are named so
---@return moonpulse.TriggersHeard
function M.new(from, mark, tell, edges)
  from.on_trigger = from.on_trigger or M.of_run()
  return setmetatable({ starts = 0, triggers = 0, untold = 0, rows = 0, by = {}, sums = {}, from = from,
    run = from.on_trigger, mark = mark, tell = tell,
    name = edges and line_bytes.words or byte_words }, Heard)
end

return M
