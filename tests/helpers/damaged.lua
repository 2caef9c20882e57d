--- Folders of runs that are damaged at random, for the specs of verify: one bit, lines that are taken out,
--- put in, exchanged or cut.
local chances = require "moonpulse.explore.chance"
local lfs = require "lfs"
local shell = require "shell"

local M = {}

--- All files of a folder, by their names in it.
---@param folder string
---@return table<string, string> texts
---@return string[] names
function M.read(folder)
  local texts, names = {}, {}
  local function walk(inside)
    for name in lfs.dir(folder .. "/" .. inside) do
      local path = inside .. name
      if name ~= "." and name ~= ".." then
        if lfs.attributes(folder .. "/" .. path, "mode") == "directory" then
          walk(path .. "/")
        else
          texts[path], names[#names + 1] = shell.read(folder .. "/" .. path), path
        end
      end
    end
  end
  walk ""
  table.sort(names)
  return texts, names
end

--- Any line of a text: where it begins, and where its line end is.
local function line_of(chance, text)
  local at = chance:draw(1, #text)
  local from = at
  while from > 1 and text:byte(from - 1) ~= 10 do
    from = from - 1
  end
  return from, text:find("\n", at, true) or #text
end

local ways = {}

function ways.flip(chance, text)
  local at = chance:draw(1, #text)
  return text:sub(1, at - 1) .. string.char(text:byte(at) ~ (1 << chance:draw(0, 7))) .. text:sub(at + 1)
end

function ways.delete(chance, text)
  local from, to = line_of(chance, text)
  return text:sub(1, from - 1) .. text:sub(to + 1)
end

function ways.insert(chance, text)
  local from, to = line_of(chance, text)
  local other = line_of(chance, text)
  return text:sub(1, other - 1) .. text:sub(from, to) .. text:sub(other)
end

function ways.swap(chance, text)
  local from, to = line_of(chance, text)
  local other, ends = line_of(chance, text)
  if from == other then
    return text
  elseif other < from then
    from, to, other, ends = other, ends, from, to
  end
  return text:sub(1, from - 1) .. text:sub(other, ends) .. text:sub(to + 1, other - 1) .. text:sub(from, to)
    .. text:sub(ends + 1)
end

function ways.truncate(chance, text)
  return text:sub(1, chance:draw(0, #text - 1))
end

--- Damage the folder of a run in one way and put it right again: what tell(name, text) is told between both.
---@param kept { folder: string, texts: table<string, string>, names: string[] } of a run
---@param way "flip"|"delete"|"insert"|"swap"|"truncate"
---@param seed integer
---@param tell fun(name: string)
---@return boolean damaged false: it would have been the same
function M.with(kept, way, seed, tell)
  local chance = chances.new(seed, way)
  local name = chance:pick(kept.names)
  local text = kept.texts[name]
  local damaged = #text > 0 and ways[way](chance, text) or text
  if damaged == text then
    return false
  end
  shell.write(kept.folder .. "/" .. name, damaged)
  tell(name)
  shell.write(kept.folder .. "/" .. name, text)
  return true
end

return M
