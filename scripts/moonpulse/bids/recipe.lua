--- What a plan is beyond the numbers of its rows: its words, and how it is put together. It stands in
--- nibs.json, so that the rows give the very plan file again: counts, intervals and intensities are taken
--- from the rows.
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

--- Which node is which part of a row: "ROW K" by the node's id.
local function places_of(rows)
  local layers, units, rests = {}, {}, {}
  for _, row in ipairs(rows) do
    for i, layer in ipairs(row.layers) do
      if layer.node then
        layers[layer.node] = layers[layer.node] or { name = ("%s %d"):format(row.id, i), row = row, at = i }
      else
        rests[fractions.text(layer.interval)] = ("{interval %s %d}"):format(row.id, i)
      end
    end
    for i, unit in ipairs(row.units) do
      units[unit.node or 0] = units[unit.node or 0] or ("%s %d"):format(row.id, i)
    end
  end
  return layers, units, rests
end

--- A node's text with places for the numbers that rows have.
local function template(text, id, layers, units, rests)
  local layer, unit = layers[id], units[id]
  if layer then
    text = text:gsub("^repeat (%d+) %d+ (%l+) %d+/%d+", function(child, spacing)
      return ("repeat %s {count %s} %s {%s %s}"):format(child, layer.name, spacing,
        spacing == "gap" and "gap" or "interval", layer.name)
    end)
  elseif unit then
    text = text:gsub("^pulse %S+ %u+", "pulse {intensity " .. unit .. "}")
  else
    text = text:gsub("^rest (%d+/%d+)%f[%s\0]", function(seconds)
      return rests[seconds] and "rest " .. rests[seconds]
    end)
  end
  return text
end

--- The recipe of a plan whose pulses were all given as planned; nil: they were not, or it is no plan of
--- patterns.
---@param found table a plan file as plan_file.read has it
---@param made { rows: moonpulse.NibsRow[], singles: integer }
---@return table?
function M.of(found, made)
  if made.singles > 0 or not made.rows[1] then
    return nil
  end
  local id_of, nodes = {}, {}
  for number, plan in pairs(found.nodes) do
    id_of[number] = plan:id()
  end
  local layers, units, rests = places_of(made.rows)
  for number, text in found.text:gmatch("\nnode (%d+) ([^\n]*)") do
    nodes[#nodes + 1] = template(text, id_of[number], layers, units, rests)
  end
  return { Format = found.text:match("^[^\n]*"), Facts = facts_of(found), Seed = found.seed, Nodes = nodes,
    Root = found.text:match("\nroot (%d+)\n") }
end

local references = { rMT = "RMT", aMT = "AMT", absolute = "MSO" }

--- What a row has in a place, as a plan file says it.
local filled = {}

function filled.count(row, k)
  return ("%d"):format(row.layers[k].count)
end

function filled.interval(row, k)
  return fractions.text(row.layers[k].interval)
end

--- From the end of one to the next onset: less what the layers below last, as a plan has them (trains with
--- the silence behind their last pulse, the outermost of them without).
function filled.gap(row, k)
  local span = fractions.zero
  for i = 1, k - 1 do
    local layer = row.layers[i]
    span = row.spacing[i] == "train" and fractions.times(layer.interval, layer.count)
      or fractions.add(fractions.times(layer.interval, layer.count - 1), span)
  end
  return fractions.text(fractions.subtract(row.layers[k].interval, span))
end

function filled.intensity(row, k)
  local unit = row.units[k] or row.units[1]
  local reference = references[unit.reference]
  local value = reference == "MSO" and unit.intensity or reference and tonumber(unit.scaling)
    and tonumber(unit.scaling) * 100
  if not value then
    error({ code = "usage", message = ("%s: an intensity of %s %s is no part of a threshold or of the maximum"
      ):format(row.id, unit.scaling or "n/a", unit.reference or "n/a") }, 0)
  end
  return ("%.10g %s"):format(value, reference)
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
    lines[#lines + 1] = ("node %d %s"):format(number, (text:gsub("{(%l+) ([^%s}]+) (%d+)}", function(what, id,
      k)
      local row = rows[id]
      k = math.tointeger(tonumber(k))
      if not (row and filled[what] and (what == "intensity" or row.layers[k])) then
        error({ code = "usage", message = ("the plan of nibs.json needs %s %d of the row %s, which is not "
          .. "there"):format(what, k, id) }, 0)
      end
      return filled[what](row, k)
    end)))
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

return M
