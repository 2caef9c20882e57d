--- Reads sources: which room of the library needs which other, and how long files and functions are.
local in_order = require "moonpulse.text.in_order"
local lfs = require "lfs"

local M = {}

--- The files under a folder, by their path in it.
---@param folder string
---@param ending string "%.lua$"
---@return table<string, string> texts
function M.read(folder, ending)
  local texts = {}
  local function walk(path)
    for name in lfs.dir(folder .. path) do
      local mode = lfs.attributes(folder .. path .. "/" .. name, "mode")
      if mode == "directory" and not name:find("^%.") then
        walk(path .. "/" .. name)
      elseif mode == "file" and name:find(ending) then
        local file <close> = assert(io.open(folder .. path .. "/" .. name))
        texts[(path .. "/" .. name):sub(2)] = file:read("a")
      end
    end
  end
  walk("")
  return texts
end

--- Where a comment or a string that begins at from ends, and which it is; nil: neither begins there.
local function end_of(text, from)
  local long = text:match("^%[=*%[", from) or text:match("^%-%-(%[=*%[)", from)
  if long then
    local closing = "]" .. ("="):rep(#long - 2) .. "]"
    return select(2, text:find(closing, from, true)) or #text, "long"
  elseif text:find("^%-%-", from) then
    return (text:find("\n", from, true) or #text + 1) - 1, "comment"
  end
  local quote = text:match("^[\"']", from)
  if not quote then
    return nil
  end
  local at = from + 1
  while at <= #text and text:sub(at, at) ~= quote do
    at = at + (text:sub(at, at) == "\\" and 2 or 1)
  end
  return at, "string"
end

--- Lua code without comments and strings, which become as many line ends as were in them; and what is
--- required: the names, and beginnings that end with a dot where the rest is computed.
---@param text string
---@return string code
---@return string[] required
function M.code(text)
  local parts, required, at = {}, {}, 1
  while at <= #text do
    local from = text:find("[%-%[\"']", at) or #text + 1
    parts[#parts + 1] = text:sub(at, from - 1)
    local last, kind = nil, nil
    if from <= #text then
      last, kind = end_of(text, from)
    end
    if kind == "string" and parts[#parts]:find("require%s*%(?%s*$") then
      required[#required + 1] = text:sub(from + 1, last - 1)
    end
    parts[#parts + 1] = last and ("\n"):rep(select(2, text:sub(from, last):gsub("\n", "")))
      or text:sub(from, from)
    at = (last or from) + 1
  end
  return table.concat(parts), required
end

local opens = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }
local closes = { ["end"] = true, ["until"] = true }

--- The functions of a Lua source, from "function" to "end".
---@param text string
---@return { line: integer, lines: integer }[]
function M.lua_functions(text)
  local code = M.code(text)
  local found, open, line, at = {}, {}, 1, 1
  for from, word in code:gmatch("()([%a_][%w_]*)") do
    line, at = line + select(2, code:sub(at, from - 1):gsub("\n", "")), from
    if opens[word] then
      open[#open + 1] = { word = word, line = line }
    elseif closes[word] then
      local block = table.remove(open)
      if block.word == "function" then
        found[#found + 1] = { line = block.line, lines = line - block.line + 1 }
      end
    end
  end
  return found
end

--- The functions of a C source as clang-format leaves it: braces of their own lines.
function M.c_functions(text)
  local found, line, from = {}, 0, nil
  for each in (text .. "\n"):gmatch("(.-)\n") do
    line = line + 1
    if each == "{" then
      from = line
    elseif each == "}" and from then
      found[#found + 1] = { line = from, lines = line - from + 1 }
      from = nil
    end
  end
  return found
end

local function room_of(path)
  return path:match("^([^/]+)/") or path
end

--- Who requires whom: rooms[a][b] is a list of "file -> file". What is loaded by a computed name is in
--- dynamic, as "file -> beginning".
---@param texts table<string, string> by their path in scripts/moonpulse
---@return table<string, table<string, string[]>> rooms
---@return string[] dynamic
---@return string[] missing requires of modules of the library that there are not
function M.graph(texts)
  local rooms, dynamic, missing = {}, {}, {}
  for _, path in ipairs(in_order.keys(texts)) do
    local own, _, required = room_of(path), M.code(texts[path])
    rooms[own] = rooms[own] or {}
    for _, name in ipairs(required) do
      local file = name == "moonpulse" and "init" or name:match("^moonpulse%.(.*)$")
      file = file and file:gsub("%.", "/")
      local target = file and (texts[file .. ".lua"] and file .. ".lua"
        or texts[file .. "/init.lua"] and file .. "/init.lua")
      if file and name:find("%.$") then
        dynamic[#dynamic + 1] = path .. " -> " .. file
      elseif file and not target and name ~= "moonpulse.core" then
        missing[#missing + 1] = path .. " -> " .. name
      elseif target and room_of(target) ~= own then
        local list = rooms[own][room_of(target)] or {}
        rooms[own][room_of(target)] = list
        list[#list + 1] = path .. " -> " .. target
      end
    end
  end
  return rooms, dynamic, missing
end

--- A circle: of each step one of the files that need the next room, and how many more there are.
local function told(rooms, names)
  local steps = {}
  for i, room in ipairs(names) do
    local files = rooms[room][names[i % #names + 1]]
    steps[i] = files[1] .. (#files > 1 and (" (and %d more)"):format(#files - 1) or "")
  end
  return table.concat(steps, ", ")
end

--- Rooms that need each other, directly or in a circle: each circle once, as told.
---@param rooms table of graph
---@return string[]
function M.circles(rooms)
  local found, seen, state, stack = {}, {}, {}, {}
  local function visit(room)
    state[room] = "open"
    stack[#stack + 1] = room
    for _, other in ipairs(in_order.keys(rooms[room])) do
      if state[other] == "open" then
        local names = {}
        for i = #stack, 1, -1 do
          table.insert(names, 1, stack[i])
          if stack[i] == other then
            break
          end
        end
        local text = told(rooms, names)
        found[#found + 1] = not seen[text] and text or nil
        seen[text] = true
      elseif not state[other] then
        visit(other)
      end
    end
    state[room] = "done"
    stack[#stack] = nil
  end
  for _, room in ipairs(in_order.keys(rooms)) do
    if not state[room] then
      visit(room)
    end
  end
  return found
end

--- Which files and functions are longer than they may be, each as a sentence.
---@param texts table<string, string>
---@param functions fun(text: string): table lua_functions or c_functions
---@param most { file: integer, call: integer }
---@return string[]
function M.too_long(texts, functions, most)
  local list = {}
  for path, text in pairs(texts) do
    local _, lines = text:gsub("\n", "")
    if lines > most.file then
      list[#list + 1] = ("%s has %d lines"):format(path, lines)
    end
    for _, each in ipairs(functions(text)) do
      if each.lines > most.call then
        list[#list + 1] = ("%s:%d: a function of %d lines"):format(path, each.line, each.lines)
      end
    end
  end
  table.sort(list)
  return list
end

return M
