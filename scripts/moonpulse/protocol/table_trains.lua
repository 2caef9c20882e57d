--- Trains that a table has row by row: as the rates that the protocol names, or, where it names none, what to
--- say of onsets that are even but for their rounding.
local blame = require "moonpulse.text.author_line"
local check = require "moonpulse.compose.check"
local core = require "moonpulse.core"
local even_onsets = require "moonpulse.compose.even_onsets"
local lists = require "moonpulse.text.lists"
local numbers = require "moonpulse.text.numbers"

local M = {}

local build, fail = blame.build, blame.fail

local MOST_TOLD_NS = 100000 -- finer rounding than that is nothing that a nerve would know
local SLOWEST_NS = 1000000000 -- what is further apart is no train

---@class moonpulse.TableRate
---@field hz string as its author wrote it
---@field every string seconds, a fraction
---@field period { num: integer, den: integer } nanoseconds
---@field found boolean? a train has it

--- hz = a rate, or a list of rates: each with its period in nanoseconds.
---@param hz any the option
---@return moonpulse.TableRate[]
function M.rates(hz)
  local rates, list = {}, type(hz) == "table" and hz or { hz }
  if type(hz) == "table" then
    lists.check("from_table", "hz", hz)
  end
  if type(hz) == "table" and not list[1] then
    fail("from_table: hz = { } names no rate")
  end
  for i, each in ipairs(list) do
    local num, den = check.positive("from_table", "hz", each)
    if not check.fits(den, 1000000000) then
      fail("from_table: hz = %s has too many digits: write it shorter, like 12.5, or as \"50/3\"",
        tostring(each))
    end
    rates[i] = { hz = tostring(each), every = ("%d/%d"):format(den, num),
      period = { num = den * 1000000000, den = num } }
  end
  return rates
end

local function is_like(row, other)
  for _, column in ipairs { "intensity", "isi", "trial_type", "channel", "code" } do
    if row.cells[column] ~= other.cells[column] then
      return false
    end
  end
  return true
end

--- The groups from number i on that have one row each, and give the same: the onsets of those rows.
local function alike(groups, i)
  local onsets, first = {}, groups[i].rows[1]
  for k = i, #groups do
    local row = groups[k].rows[1]
    if #groups[k].rows > 1 or not is_like(row, first) then
      break
    end
    onsets[#onsets + 1] = row.onset_ns
  end
  return onsets
end

--- Of the rates that the protocol names the one that most of onsets have, from one of them on; nil: none.
local function train_at(self, onsets, from, ended_ns)
  local best
  for _, rate in ipairs(self.rates) do
    local count, at = even_onsets.reach(onsets, from, rate.period, self.unit_ns, ended_ns)
    if count > 1 and (not best or count > best.count) then
      best = { rate = rate, count = count, at = at }
    end
  end
  return best
end

--- A train, of what its first row gives.
local function train_group(group, train)
  local plan = group.rows[1].plan
  local all = build(core.repeat_plan, plan, train.count, "every", train.rate.every)
  all = check.named(core.like(all, plan), "train")
  train.rate.found = true
  return { at = train.at, rows = { group.rows[1] },
    train = check.unlabelled(plan) and build(core.tagged, all, "train") or all }
end

--- Until when a train has its coil.
local function train_end(group, train, end_ns)
  local row, period = group.rows[1], train.rate.period
  return train.at + (train.count - 1) * period.num // period.den + 1 + end_ns(row) - row.onset_ns
end

--- The groups, with those that are a train at a rate that the protocol names as one.
---@param self { name: string, rates: moonpulse.TableRate[], unit_ns: integer } the table
---@param groups table[] in order, of rows { line, cells, plan, onset_ns }; those of one row may be joined
---@param end_ns fun(row: table): integer until when a row has its coil
---@return table[]
function M.joined(self, groups, end_ns)
  local made, i, ended_ns = {}, 1, 0
  while i <= #groups do
    local onsets, k = alike(groups, i), 1
    if #onsets == 0 then -- several rows at once
      made[#made + 1] = groups[i]
    end
    while k <= #onsets do
      local group = groups[i + k - 1]
      local train = train_at(self, onsets, k, ended_ns)
      made[#made + 1] = train and train_group(group, train) or group
      ended_ns = train and train_end(group, train, end_ns) or end_ns(group.rows[1])
      k = k + (train and train.count or 1)
    end
    i = i + math.max(#onsets, 1)
  end
  for _, rate in ipairs(self.rates) do
    if not rate.found then
      fail("from_table: hz = %s: no two rows of %s that give the same are %s apart, to the %s to which its "
        .. "onsets are written", rate.hz, self.name, numbers.seconds(rate.period.num / rate.period.den / 1e9),
        numbers.seconds(self.unit_ns / 1e9))
    end
  end
  return made
end

--- Those of onsets from one of them on whose intervals may be equal but for the rounding.
local function nearly_even(onsets, from, unit_ns)
  local some = { onsets[from] }
  for k = from + 1, #onsets do
    local every, before = onsets[k] - onsets[k - 1], #some > 1 and onsets[k - 1] - onsets[k - 2]
    if every >= SLOWEST_NS or before and math.abs(every - before) > 2 * unit_ns then
      break
    end
    some[#some + 1] = onsets[k]
  end
  return some
end

--- What to say where onsets are even but for their rounding, and nobody named the rate; nil: nothing.
---@param self { unit_ns: integer } the table
---@param groups table[] as of M.joined
---@return string?
function M.rounding(self, groups)
  if self.unit_ns < MOST_TOLD_NS then
    return nil
  end
  local i = 1
  while i < #groups do
    local onsets = alike(groups, i)
    local from = 1
    while from < #onsets do
      local some = nearly_even(onsets, from, self.unit_ns)
      local uneven = even_onsets.uneven(some)
      local hz = uneven and even_onsets.rate(some, self.unit_ns)
      if hz then
        return ("lines %d to %d are %s Hz but for the rounding of their onsets to %s, and are given as they "
          .. "are written, %s and %s apart: { hz = %s } gives them as a train of that rate"):format(
          groups[i + from - 1].rows[1].line, groups[i + from + #some - 2].rows[1].line, hz,
          numbers.seconds(self.unit_ns / 1e9), numbers.seconds((some[2] - some[1]) / 1e9),
          numbers.seconds((some[uneven] - some[uneven - 1]) / 1e9), hz)
      end
      from = from + #some
    end
    i = i + math.max(#onsets, 1)
  end
end

return M
