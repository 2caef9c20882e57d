--- What of a run was delivered: its pulses, from events.tsv.
local checks = require "moonpulse.compose.check"
local counted = require "moonpulse.record.counted"
local read = require "moonpulse.record.read"

local M = {}

--- A row as record/read.lua has it, with what its kind says of it.
---@class moonpulse.DeliveredPulse
---@field pulse integer? its number in the plan; nil: nobody sent it, the device reported it
---@field onset number seconds
---@field planned number? microseconds
---@field lateness number? microseconds
---@field channel string
---@field mso number? %MSO
---@field intensity number? percent of ref
---@field ref string? MSO, RMT, AMT
---@field status string
---@field as_planned boolean nothing about it differs from the plan
---@field condition string? its trial_type, if that says more than that it is a pulse

local unread = { confirmed = true, trial = true } -- there may be a million rows

--- What all rows of a kind have in common.
local function judge(kind)
  local asked = kind.event == "pulse"
  kind.status = kind.status or asked and "sent" or "unasked"
  kind.channel = kind.channel or "1"
  kind.given = not asked or counted.is_given(kind.status, kind.was_sent)
  kind.as_planned = asked and counted.is_as_planned(kind.status)
  local named = kind.trial_type
  kind.condition = named ~= kind.event and not (named and checks.is_kind(named)) and named or nil
end

---@class moonpulse.DeliveredColumns of the pulses that were delivered, by their planned times; those that
---   nobody sent after them
---@field pulse (integer|false)[]
---@field onset number[]
---@field planned (number|false)[]
---@field kind integer[] of which of the kinds each is
---@field kinds table[] what pulses of a kind have in common, as a DeliveredPulse has it

--- Which of two rows is planned sooner.
local function sooner_of(lists)
  local planned, onset, pulse = lists.planned, lists.onset or {}, lists.pulse or {}
  return function(a, b)
    local x, y = planned[a] or (onset[a] or 0) * 1e6, planned[b] or (onset[b] or 0) * 1e6
    if x ~= y then
      return x < y
    end
    return (pulse[a] or 0) < (pulse[b] or 0)
  end
end

--- Is each row a pulse that was given, and stands where it is planned? Then the lists are the columns.
local function is_plain(found)
  local lists, kinds = found.lists, found.kinds
  for _, kind in ipairs(kinds) do
    if kind.event ~= "pulse" or not kind.given then
      return false
    end
  end
  local onset, planned, before = lists.onset, lists.planned, -math.huge
  if not onset or not lists.pulse or found.incomplete > 0 then
    return false
  end
  for i, us in ipairs(planned) do
    if not us or us <= before or not onset[i] then
      return false
    end
    before = us
  end
  return true
end

--- The rows of pulses in planned order, and after them those that nobody sent.
local function order_of(found)
  local order, unasked, sorted, sooner = {}, {}, true, sooner_of(found.lists)
  for i, number in ipairs(found.kind) do
    local event = found.kinds[number].event
    if event == "pulse" then
      sorted = sorted and not (order[1] and sooner(i, order[#order]))
      order[#order + 1] = i
    elseif event == "unasked_pulse" then
      unasked[#unasked + 1] = i
    end
  end
  if not sorted then
    table.sort(order, sooner)
  end
  return table.move(unasked, 1, #unasked, #order + 1, order)
end

--- The columns of those that were given, which rows they are, and whether all were.
local function columns_of(found)
  local lists, kinds, count, places = found.lists, found.kinds, 0, {}
  local onsets, numbers, order = lists.onset or {}, lists.pulse or {}, order_of(found)
  local columns = { pulse = {}, onset = {}, planned = {}, kind = {}, kinds = kinds }
  for _, i in ipairs(order) do
    local number, planned = found.kind[i], lists.planned[i]
    local onset = onsets[i] or planned and planned / 1e6
    if kinds[number].given and onset then
      count = count + 1
      columns.pulse[count], columns.onset[count] = numbers[i] or false, onset
      columns.planned[count], columns.kind[count], places[count] = planned, number, i
    end
  end
  return columns, places, count == #order and found.incomplete == 0
end

--- The pulses as rows, each made when it is asked for.
---@param columns moonpulse.DeliveredColumns
---@param lists table<string, table> what each row of the table says
---@param places integer[]? which of them a pulse is; nil: they are the pulses
local function rows_of(columns, lists, places)
  local lateness, sent = lists.lateness or {}, lists.sent or {}
  return setmetatable({}, { __len = function() return #columns.kind end, __index = function(rows, i)
    local kind, planned, at = columns.kinds[columns.kind[i]], columns.planned[i], places and places[i] or i
    local row = kind and setmetatable({ pulse = columns.pulse[i] or nil, onset = columns.onset[i],
      planned = planned or nil, lateness = kind.of_times and sent[at] - planned or lateness[at] or nil },
      kind)
    rawset(rows, i, row)
    return row
  end })
end

--- The pulses that were delivered.
---@param text string of an events.tsv that a run wrote, or of a copy in beh/
---@param path string for messages
---@return { columns: moonpulse.DeliveredColumns, pulses: moonpulse.DeliveredPulse[], whole: boolean }? found
---   the same as columns and as rows; whole: nothing was left out, and every row is one
---@return string? message
function M.pulses(text, path)
  local found, message = read.lists(text, path, unread)
  if not found then
    return nil, message
  end
  for _, kind in ipairs(found.kinds) do
    judge(kind)
  end
  local lists = found.lists
  local columns, places, whole = { pulse = lists.pulse, onset = lists.onset, planned = lists.planned,
    kind = found.kind, kinds = found.kinds }, nil, true
  if not is_plain(found) then
    columns, places, whole = columns_of(found)
  end
  return { columns = columns, pulses = rows_of(columns, lists, places), whole = whole }
end

--- Was the pulse of a row given, by its cells?
---@param event string?
---@param status string?
---@param was_sent boolean it has a sent time
---@return boolean
function M.is_given(event, status, was_sent)
  return event == "unasked_pulse" or event == "pulse" and counted.is_given(status, was_sent)
end

return M
