--- A row of nibs.tsv as a plan: of Moonpulse's own the very plan file, of others' what the row says.
local agreement = require "moonpulse.bids.agree"
local cjson = require "cjson.safe"
local check = require "moonpulse.compose.check"
local core = require "moonpulse.core"
local expand = require "moonpulse.bids.expand"
local fractions = require "moonpulse.bids.fraction"
local lfs = require "lfs"
local plan_file = require "moonpulse.protocol.plan_file"
local recipe = require "moonpulse.bids.recipe"
local text_files = require "moonpulse.text.text_file"
local tsv = require "moonpulse.bids.tsv"

local M = {}

local most_beside = 64000000 -- bytes, as of a file that is named

local function refuse(text, ...)
  error({ code = "usage", message = text:format(...) }, 0)
end

--- The channel of an element's pulses; nil: none is named. Of others' elements only several need one.
local function channel_of(element, kind, count, channels)
  local own = channels[element or ""]
  if own then
    return own ~= "1" and own or nil
  end
  return kind == "PNS" and (element or "nerve") or count > 1 and element or nil
end

--- A row with its layers as exact fractions and its units.
---@param channels table<string, string> of the elements that Moonpulse named
local function row_of(cell, unit, channels)
  local id = cell("nibs_event_id") or "row"
  local kind = cell("nibs_type") or "TMS"
  if kind ~= "TMS" and kind ~= "PNS" then
    refuse("%s: nibs_type %s: a plan is made of pulses of TMS or PNS", id, kind)
  end
  local layers, message = expand.layers(cell, unit)
  if not layers then
    refuse("%s: %s", id, message)
  end
  local function parts(name)
    local text = cell(name)
    return text and expand.parts(text) or {}
  end
  local intensities = parts("pattern1_intensity")
  if not intensities[1] then
    intensities = parts("stimulus_intensity")
  end
  local references, factors, elements = parts("intensity_reference"), parts("intensity_scaling"),
    parts("nibs_element_id")
  local row = { id = id, layers = layers, units = {}, kind = kind }
  for k = 1, math.max(#intensities, #references, #elements, 1) do
    row.units[k] = { intensity = tonumber(intensities[k] or intensities[1]),
      reference = references[k] or references[1] or "absolute", scaling = factors[k] or factors[1],
      channel = channel_of(elements[k] or elements[1], kind, #elements, channels) }
  end
  return row
end

local function pulses_of(row)
  local pulses = 1
  for _, layer in ipairs(row.layers) do
    pulses = pulses * layer.count
  end
  return pulses
end

local references = { rMT = "RMT", aMT = "AMT" }

--- One pulse. What no threshold stands for is told in %MSO, if the row has it.
local function pulse_of(row, unit)
  local reference, factor = references[unit.reference], tonumber(unit.scaling)
  local plan
  if reference and factor then
    plan = core.pulse(factor * 100, reference)
  elseif unit.intensity then
    plan = core.pulse(unit.intensity, "MSO")
  else
    refuse("%s: it has no intensity: neither stimulus_intensity nor a threshold with its scaling", row.id)
  end
  return unit.channel and core.channel(plan, unit.channel) or plan
end

--- The plan of one row that no recipe is there for: inner layers are trains, the outermost counts from onset
--- to onset.
local function plan_of(row)
  local first = row.layers[1]
  local from, plan = 1
  if first and #row.units > 1 then
    if #row.units ~= first.count then
      refuse("%s: %d intensities or elements, and pattern1_count is %d", row.id, #row.units, first.count)
    end
    local parts = {}
    for k, unit in ipairs(row.units) do
      parts[#parts + 1] = k > 1 and core.rest(fractions.text(first.interval)) or nil
      parts[#parts + 1] = pulse_of(row, unit)
    end
    plan, from = core.sequence_of(parts), 2
  else
    plan = pulse_of(row, row.units[1])
  end
  for i = from, #row.layers do
    local layer = row.layers[i]
    if layer.count > 1 then
      local spacing = (i < #row.layers or i == 1) and "train" or "every"
      plan = core.repeat_plan(plan, layer.count, spacing, fractions.text(layer.interval))
    end
  end
  return plan
end

--- Deliveries one after another, or, where they overlap, side by side.
local function timed(deliveries)
  local parts, at, apart = {}, fractions.zero, {}
  local in_a_row = true
  for _, each in ipairs(deliveries) do
    local silence = fractions.subtract(each.onset, at)
    in_a_row = in_a_row and silence.n >= 0
    if in_a_row then
      if silence.n > 0 then
        parts[#parts + 1] = core.rest(fractions.text(silence))
      end
      parts[#parts + 1] = each.plan
      at = fractions.add(each.onset, fractions.parse(each.plan:totals().exact_span or "0/1"))
    end
    apart[#apart + 1] = each.onset.n > 0 and core.sequence_of { core.rest(fractions.text(each.onset)),
      each.plan }
      or each.plan
  end
  if #apart == 1 then
    return apart[1]
  end
  return in_a_row and (#parts > 1 and core.sequence_of(parts) or parts[1]) or core.parallel(apart)
end

--- The plan of a delivery with its condition, if that is the name of one; a pulse is one without a name.
local function delivery_of(each)
  local plan, condition = plan_of(each.row), each.condition
  local is_name = condition and condition ~= "pulse" and not check.label_problem(condition)
  return is_name and core.tagged(plan, condition) or plan
end

--- The condition that the events have for a row.
local function condition_of(events, id)
  for _, event in ipairs(events and events.rows or {}) do
    if tsv.cell(events, event, "nibs_event_id") == id then
      return tsv.cell(events, event, "trial_type")
    end
  end
end

--- What the events say of rows: onsets, as planned where that is known; without events each row
--- once, if it is one.
---@param only string? the id of the one row that is asked for
local function deliveries_of(events, rows, order, only)
  local list = {}
  if only or not events then
    if #order > 1 then
      refuse("%d rows and no events that say when each is given: name one of %s", #order,
        table.concat(order, ", "))
    end
    return { { onset = fractions.zero, row = rows[order[1]],
      condition = condition_of(events, order[1]) } }
  end
  local first
  for number, event in ipairs(events.rows) do
    local row = rows[tsv.cell(events, event, "nibs_event_id") or ""]
    local onset = fractions.parse(tsv.cell(events, event, "onset_planned")
      or tsv.cell(events, event, "onset") or "")
    if row and onset then
      first = first or onset
      list[#list + 1] = { onset = fractions.subtract(onset, first), row = row,
        condition = tsv.cell(events, event, "trial_type") }
    elseif row then
      refuse("the events, row %d: the onset is no number", number)
    end
  end
  return list
end

--- The text of a plan file of a table.
---@param nibs moonpulse.BidsTable
---@param sidecar table of nibs.json; {}: there is none
---@param events moonpulse.BidsTable? that belong to it
---@param only string? the id of one row
---@return string text
---@return boolean whole it is the very plan that was run; false: what the rows say
function M.text(nibs, sidecar, events, only)
  local rows, order, own = {}, {}, type(sidecar.Moonpulse) == "table" and sidecar.Moonpulse or {}
  local channels = type(own.Channels) == "table" and own.Channels or {}
  local function unit(name)
    return type(sidecar[name]) == "table" and sidecar[name].Units or nil
  end
  for _, cells in ipairs(nibs.rows) do
    local id = tsv.cell(nibs, cells, "nibs_event_id") or "row"
    if not only or id == only then
      rows[id] = row_of(function(name) return tsv.cell(nibs, cells, name) end, unit, channels)
      order[#order + 1] = id
    end
  end
  if not order[1] then
    refuse(only and "there is no row %s" or "there is no row", only)
  end
  local deliveries, pulses = deliveries_of(events, rows, order, only), 0
  for _, each in ipairs(deliveries) do
    pulses = pulses + pulses_of(each.row)
  end
  local made, text = false, nil
  if not only and type(own.Plan) == "table" then
    made, text = pcall(recipe.text, own.Plan, rows, pulses)
  end
  if made and agreement.agree(text, deliveries) then
    return text, own.Plan.SHA256 == nil or own.Plan.SHA256 == text:match("sha256 (%x+)\n$")
  end
  for _, each in ipairs(deliveries) do
    each.plan = delivery_of(each)
  end
  if not deliveries[1] then
    refuse("the events name none of the rows")
  end
  local nerve, seen = {}, {}
  for _, id in ipairs(order) do
    local channel = rows[id].kind == "PNS" and rows[id].units[1].channel
    nerve[#nerve + 1] = channel and not seen[channel] and channel or nil
    seen[channel or ""] = true
  end
  return plan_file.write(timed(deliveries), { id = only or order[1], name = only or order[1],
    nerve = nerve[1] and nerve or nil, seed = 1 }), false
end

--- A row that was written out: "column=value column=value".
---@param text string
---@return moonpulse.BidsTable? nil: it is not written so
function M.written(text)
  local columns, cells, index = {}, {}, {}
  for name, value in text:gmatch("([%w_]+)=(%S+)") do
    columns[#columns + 1], cells[#cells + 1] = name, value
    index[name] = #columns
  end
  return columns[1] and { columns = columns, index = index, rows = { cells } } or nil
end

--- The text of a file that lies beside the one that was named; nil where there is none. What else lies there
--- is refused: nobody named it.
local function beside(path)
  if not lfs.attributes(path, "mode") then
    return nil
  end
  local text, message = core.read_file(path, most_beside)
  return text or refuse("%s", message)
end

--- The text of a plan file of what a user names: a nibs.tsv, one row of it (FILE:ID), or a row written out.
--- Raises a refusal { code, message }.
---@param what string
---@return string text
---@return boolean whole
function M.read(what)
  local written = not what:find("%.tsv") and M.written(what)
  if written then
    return M.text(written, {})
  end
  local path, only = what:match("^(.*_nibs%.tsv):([^:/]+)$")
  path = path or what
  local text, message = text_files.read(path)
  if not text then
    refuse("%s", message)
  end
  local nibs = tsv.parse(text)
  if not path:find("_nibs%.tsv$") or not nibs.index.nibs_event_id then
    refuse("%s is no *_nibs.tsv: such a table has that name, and a column nibs_event_id", path)
  end
  local base = path:gsub("nibs%.tsv$", "")
  local sidecar = cjson.decode(beside(base .. "nibs.json") or "")
  local events = beside(base .. "events.tsv")
  return M.text(nibs, type(sidecar) == "table" and sidecar or {}, events and tsv.parse(events), only)
end

return M
