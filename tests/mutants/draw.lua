--- Which faults are planted: drawn from a number, so many of each part of the program.
local core = require "moonpulse.core"
local faults = require "mutants.faults"
local rooms = require "rooms"
local shell = require "shell"
local source = require "mutants.source"

local M = {}

--- The parts, how much of the draw each has, and their sources.
M.parts = {
  { name = "dispatcher", weight = 75, folder = "engine",
    files = { "^dispatch[%w_]*%.c$", "^ring%.c$", "^wait%.c$", "^near_cut%.c$", "^far_cut%.c$" } },
  { name = "stop", weight = 45, folder = "engine",
    files = { "^stop[%w_]*%.c$", "^guard%.c$", "^session[%w_]*%.c$" } },
  { name = "stop", folder = "bindings", files = { "^backstop[%w_]*%.c$", "^arm[%w_]*%.c$", "^stops%.c$",
    "^signals%.c$" } },
  { name = "stop", folder = "scripts/moonpulse", files = { "^stimulator/leaving%.lua$",
    "^run/stop_sources%.lua$", "^run/ending%.lua$" } },
  { name = "gate", weight = 70, folder = "scripts/moonpulse", files = { "^safety/.*%.lua$",
    "^stimulator/admission%.lua$", "^run/safety%.lua$" } },
  { name = "record", weight = 55, folder = "scripts/moonpulse", files = { "^record/.*%.lua$",
    "^verify/.*%.lua$",
    "^run/keeping%.lua$", "^run/sealing%.lua$", "^run/begin_journal%.lua$", "^run/manifest%.lua$" } },
  { name = "record", folder = "engine", files = { "^flight[%w_]*%.c$", "^events%.c$" } },
  { name = "record", folder = "bindings", files = { "^record_file%.c$", "^rows%.c$", "^flight%.c$",
    "^events%.c$" } },
  { name = "drivers", weight = 55, folder = "scripts/moonpulse", files = { "^devices/.*%.lua$" } },
}

---@class mutants.Mutant: mutants.Fault
---@field key string of the path, the text of the function and the change: another once the function changes
---@field part string
---@field path string
---@field line integer
---@field was string the source's line, cut

local function squeezed(text)
  return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

--- Its key: of what is changed, into what, where in which function. Not of the lines above the function.
local function key_of(path, text, fault, spans)
  local from, to = source.surroundings(text, fault.from, spans)
  return core.checksum(table.concat({ path, text:sub(from, to), fault.from - from, fault.to - from,
    fault.text }, "\0"))
end

--- Of faults that make the same text of it, one is enough.
local function all_of(part, path, text)
  local list, known = {}, {}
  local found, spans = faults.of(text, path:match("%.(%l+)$") == "c" and "c" or "lua")
  for _, fault in ipairs(found) do
    local first = text:sub(1, fault.from):match(".*\n()") or 1
    fault.key, fault.part, fault.path = key_of(path, text, fault, spans), part, path
    fault.line = 1 + select(2, text:sub(1, fault.from - 1):gsub("\n", ""))
    fault.was = squeezed(text:match("[^\n]*", first))
    fault.change = ("%s -> %s"):format(squeezed(text:sub(fault.from, fault.to)), squeezed(fault.text))
    if not known[fault.key] then
      known[fault.key] = true
      list[#list + 1] = fault
    end
  end
  return list
end

local function is_of(part, name)
  for _, pattern in ipairs(part.files) do
    if name:find(pattern) then
      return true
    end
  end
  return false
end

--- Every fault that can be planted, by part.
---@param root string the folder of the sources
---@return table<string, mutants.Mutant[]>
function M.everything(root)
  local by_part = {}
  for _, part in ipairs(M.parts) do
    local folder = root .. "/" .. part.folder
    local pattern = part.folder:find("^scripts") and "%.lua$" or "%.c$"
    by_part[part.name] = by_part[part.name] or {}
    for name in pairs(rooms.read(folder, pattern)) do
      if is_of(part, name) then
        local path = part.folder .. "/" .. name
        for _, each in ipairs(all_of(part.name, path, shell.read(root .. "/" .. path))) do
          table.insert(by_part[part.name], each)
        end
      end
    end
  end
  return by_part
end

--- The order in which the faults of a part are drawn: by chance, the kinds in turn by their weights. What
--- changes in one function moves no fault of another against its like.
---@param list mutants.Mutant[]
---@param seed integer
---@return mutants.Mutant[]
function M.ordered(list, seed)
  local of_kind, weights = {}, {}
  for _, kind in ipairs(faults.kinds) do
    of_kind[kind.name], weights[kind.name] = {}, kind.weight
  end
  for _, each in ipairs(list) do
    each.rank = core.checksum(seed .. "\0" .. each.key)
    table.insert(of_kind[each.kind], each)
  end
  local all = {}
  for kind, each in pairs(of_kind) do
    table.sort(each, function(a, b) return a.rank < b.rank end)
    for i, mutant in ipairs(each) do
      mutant.place = (i - 0.5) / weights[kind]
      all[#all + 1] = mutant
    end
  end
  table.sort(all, function(a, b)
    if a.place ~= b.place then
      return a.place < b.place
    end
    return a.rank < b.rank
  end)
  return all
end

--- How many of each part, of so many.
---@param count integer
---@return table<string, integer>
---@return string[] names of the parts, in order
function M.shares(count)
  local total, names, shares, given = 0, {}, {}, 0
  for _, part in ipairs(M.parts) do
    total = total + (part.weight or 0)
  end
  local sum = 0
  for _, part in ipairs(M.parts) do
    if part.weight then
      sum = sum + part.weight
      names[#names + 1], shares[part.name] = part.name, math.floor(count * sum / total + 0.5) - given
      given = given + shares[part.name]
    end
  end
  return shares, names
end

return M
