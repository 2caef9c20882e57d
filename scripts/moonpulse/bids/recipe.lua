--- What a plan is beyond the numbers of its rows: its words, and how it is put together. It stands in
--- nibs.json, so that the rows give the very plan file again: counts, intervals and intensities are taken
--- from the rows.
local describe = require "moonpulse.bids.describe"
local fractions = require "moonpulse.bids.fraction"
local plan_file = require "moonpulse.protocol.plan_file"

local M = {}

local texts = { "id", "name", "cite", "doi", "target", "note", "unconfirmed", "coil", "threshold" }

--- What of a plan file is no node.
local function facts_of(found)
  local facts = { parameters = next(found.parameters or {}) and found.parameters or nil,
    sessions = found.sessions, nerve = found.nerve }
  for _, key in ipairs(texts) do
    facts[key] = found[key]
  end
  return facts
end

local references = { rMT = "RMT", aMT = "AMT", absolute = "MSO" }

--- What the cells of a unit are in a plan: a number and its reference; nil: neither a part of a threshold nor
--- of the maximum.
local function amount_of(unit)
  local reference = references[unit.reference]
  local factor = tonumber(unit.scaling)
  return reference == "MSO" and unit.intensity or reference and factor and factor * 100 or nil, reference
end

local function as_text(value, reference)
  return value and ("%.10g %s"):format(value, reference) or "n/a"
end

--- What a row has in a place, as a plan file says it.
local from_cells = {}

function from_cells.count(row, k)
  return ("%d"):format(row.layers[k].count)
end

function from_cells.interval(row, k)
  return fractions.text(row.layers[k].interval)
end

--- From the end of one to the next onset: less what the layers below last, as a plan has them (trains with
--- the silence after their last pulse, the outermost of them without).
function from_cells.gap(row, k)
  local span = fractions.zero
  for i = 1, k - 1 do
    local layer = row.layers[i]
    span = row.spacing[i] == "train" and fractions.times(layer.interval, layer.count)
      or fractions.add(fractions.times(layer.interval, layer.count - 1), span)
  end
  return fractions.text(fractions.subtract(row.layers[k].interval, span))
end

function from_cells.intensity(row, k)
  return as_text(amount_of(row.units[k] or row.units[1]))
end

--- Cells have what the device was set to, nothing of a nerve's threshold, no silence before a first pulse:
--- "VALUE if SAID" is what the plan says instead, as long as the cells say what they said.
local function said_or(otherwise, said, row, k)
  local value, was = otherwise:match("^(.-) if (.*)$")
  if value and was == said then
    return value
  elseif said == "n/a" then
    local unit = row.units[k] or row.units[1]
    error({ code = "usage", message = ("%s: an intensity of %s %s is no part of a threshold or of the "
      .. "maximum"):format(row.id, unit.scaling or "n/a", unit.reference or "n/a") }, 0)
  end
  return said
end

--- The rows as an importer will have them: what the cells say.
local function as_cells(made, is_nerve, nodes)
  local rows, spacing_of = {}, {}
  for _, plan in pairs(nodes) do
    spacing_of[plan:id()] = plan:view().spacing
  end
  for _, row in ipairs(made.rows) do
    local units = {}
    for k, unit in ipairs(row.units) do
      units[k] = { intensity = unit.mso,
        reference = describe.reference(unit.reference, is_nerve(unit.channel)),
        scaling = ("%.10g"):format((unit.intensity or 0) / 100) }
    end
    local spacing = {}
    for k, layer in ipairs(row.layers) do
      spacing[k] = spacing_of[layer.node or 0]
    end
    rows[row.id] = { id = row.id, layers = row.layers, units = units, spacing = spacing }
  end
  return rows
end

--- Where a row has the intensity of a pulse: by the node's id, and by "110 RMT", then its condition; "": any.
local function units_of(rows)
  local by_node, by_value = {}, {}
  for _, row in ipairs(rows) do
    for k, unit in ipairs(row.units) do
      local place = { row = row.id, k = k }
      if unit.node then
        by_node[unit.node] = by_node[unit.node] or place
      end
      local value = ("%.10g %s"):format(unit.intensity or 0, unit.reference or "")
      local places = by_value[value] or { [""] = place }
      places[row.condition or ""] = places[row.condition or ""] or place
      by_value[value] = places
    end
  end
  return by_node, by_value
end

--- Which node is which part of a row.
local function places_of(rows)
  local layers, rests = {}, {}
  for _, row in ipairs(rows) do
    for i, layer in ipairs(row.layers) do
      if layer.node then
        layers[layer.node] = layers[layer.node] or { row = row.id, k = i }
      else
        rests[fractions.text(layer.interval)] = ("{interval %s %d}"):format(row.id, i)
      end
    end
  end
  local by_node, by_value = units_of(rows)
  return { layers = layers, rests = rests, by_node = by_node, by_value = by_value }
end

--- The place of a number, with what the plan says if the cells do not say it.
local function place_for(what, value, place, cells)
  local said = from_cells[what](cells[place.row], place.k)
  return ("{%s %s %d%s}"):format(what, place.row, place.k,
    said ~= value and (" %s if %s"):format(value, said) or "")
end

--- A node's text with places for the numbers that rows have. They stand before its words.
local function template(text, plan, places, cells)
  local head, words = text:match("^([^\"]*)(.*)$")
  local layer, id = places.layers[plan:id()], plan:id()
  if layer then
    head = head:gsub("^repeat (%d+) (%d+) (%l+) (%d+/%d+)", function(child, count, spacing, time)
      return ("repeat %s %s %s %s"):format(child, place_for("count", count, layer, cells), spacing,
        place_for(spacing == "gap" and "gap" or "interval", time, layer, cells))
    end)
  end
  head = head:gsub("^pulse (%S+ %u+)", function(value)
    local same = places.by_value[value] or {}
    local place = places.by_node[id] or same[plan:view().condition] or same[""]
    return place and "pulse " .. place_for("intensity", value, place, cells)
  end)
  head = head:gsub("^rest (%d+/%d+)%f[%s\0]", function(seconds)
    return places.rests[seconds] and "rest " .. places.rests[seconds]
  end)
  return head .. words
end

--- How each layer of a row is spaced, from the recipe.
local function spacings(nodes, rows)
  for _, row in pairs(rows) do
    row.spacing = {}
  end
  for _, text in ipairs(nodes) do
    local name, k, spacing = text:match("^repeat %d+ {count ([^%s}]+) (%d+)} (%l+) ")
    if name and rows[name] then
      rows[name].spacing[math.tointeger(tonumber(k))] = spacing
    end
  end
end

--- The plan of a recipe and its rows, as the text of a plan file. Raises a refusal { code, message } where
--- they do not fit.
---@param recipe table of nibs.json
---@param rows table<string, table> by their ids: { id, layers, units: { intensity, reference, scaling }[] }
---@param pulses integer that the rows stand for
---@return string
function M.text(recipe, rows, pulses)
  local lines = { recipe.Format or "moonpulse-plan 1", ("seed %d"):format(recipe.Seed),
    ("pulses %d"):format(pulses) }
  spacings(recipe.Nodes, rows)
  for number, text in ipairs(recipe.Nodes) do
    local head, words = text:match("^([^\"]*)(.*)$")
    lines[#lines + 1] = ("node %d %s"):format(number, (head:gsub("{(%l+) ([^%s}]+) (%d+) ?([^}]*)}",
      function(what, id, k, otherwise)
      local row = rows[id]
      k = math.tointeger(tonumber(k))
      if not (row and from_cells[what] and (what == "intensity" or row.layers[k])) then
        error({ code = "usage", message = ("the plan of nibs.json needs %s %d of the row %s, which is not "
          .. "there"):format(what, k, id) }, 0)
      end
      return said_or(otherwise, from_cells[what](row, k), row, k)
    end)) .. words)
  end
  lines[#lines + 1] = "root " .. recipe.Root
  local text = table.concat(lines, "\n") .. "\n"
  local found, message = plan_file.read(text .. "sha256 " .. plan_file.sha256(text) .. "\n", "nibs.json")
  if not found then
    error({ code = "usage", message = "the rows give no plan: " .. message }, 0)
  end
  local facts = recipe.Facts or {}
  facts.seed, facts.parameters = recipe.Seed, facts.parameters or {}
  return plan_file.write(found.plan, facts)
end

--- Do two plan files say the same? The outline is for readers, and another version words it otherwise.
local function is_same(one, other)
  local function counting(text)
    return (("\n" .. text):gsub("\n#[^\n]*", ""):gsub("sha256 %x+\n$", ""))
  end
  return counting(one) == counting(other)
end

--- The recipe of a plan whose pulses were all given as planned; nil: they were not, or its rows do not give
--- the plan again.
---@param found table a plan file as plan_file.read has it, with its text
---@param made { rows: moonpulse.NibsRow[], whole: boolean }
---@param is_nerve fun(channel: string): boolean
---@return table?
function M.of(found, made, is_nerve)
  if not made.whole or not made.rows[1] then
    return nil
  end
  for _, row in ipairs(made.rows) do
    if row.id:find("[%s{}]") then
      return nil
    end
  end
  local nodes, places, cells = {}, places_of(made.rows), as_cells(made, is_nerve, found.nodes)
  for number, text in found.text:gmatch("\nnode (%d+) ([^\n]*)") do
    nodes[#nodes + 1] = template(text, found.nodes[number], places, cells)
  end
  local made_of = { Format = found.text:match("^[^\n]*"), Facts = facts_of(found), Seed = found.seed,
    Nodes = nodes, Root = found.text:match("\nroot (%d+)\n") }
  local ok, again = pcall(M.text, made_of, cells, found.pulses)
  if not ok or not is_same(again, found.text) then
    return nil
  end
  made_of.SHA256 = again:match("sha256 (%x+)\n$")
  return made_of
end

return M
