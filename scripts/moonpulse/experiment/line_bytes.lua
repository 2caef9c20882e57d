--- Edges of lines as the bytes that a port of "lines:" gives for them: CTS "C" where it rises and "c" where
--- it falls, DSR "D" and "d", RI "R" and "r", CD "L" and "l" (engine/line_edges.h).
local blame = require "moonpulse.text.author_line"
local value_words = require "moonpulse.text.value_words"

local M = {}

local letters = { cts = "C", dsr = "D", ri = "R", cd = "L" }
local lines = {}
for line, letter in pairs(letters) do
  lines[letter:byte()] = { line = line, edge = "rising" }
  lines[letter:lower():byte()] = { line = line, edge = "falling" }
end

--- Does a path of --trigger-in name a port whose lines are looked at?
---@param path string?
---@return boolean
function M.is_path(path)
  return path ~= nil and path:find("^lines:") ~= nil
end

--- The byte of an edge; nil: there is no such line or edge.
---@param line string "cts", "dsr", "ri" or "cd"
---@param edge string? rising, or "falling"
---@return integer?
function M.of(line, edge)
  local letter = letters[line]
  if not letter or edge ~= nil and edge ~= "rising" and edge ~= "falling" then
    return nil
  end
  return (edge == "falling" and letter:lower() or letter):byte()
end

--- What { line =, edge =, byte = } of a verb asks for: its byte. Raises at the script's line.
---@param who string the verb
---@param options { line: any, edge: any, byte: any }
---@return integer? byte nil: it names no line
function M.asked(who, options)
  if options.line == nil then
    return options.edge ~= nil
      and blame.fail("%s: edge goes with line = \"cts\", \"dsr\", \"ri\" or \"cd\"", who) or nil
  elseif options.byte ~= nil then
    blame.fail("%s: give byte or line, not both: an edge of a line comes as one byte", who)
  elseif not letters[options.line] then
    blame.fail("%s: line must be \"cts\", \"dsr\", \"ri\" or \"cd\", not %s", who,
      value_words.shown(options.line))
  end
  return M.of(options.line, options.edge)
    or blame.fail("%s: edge must be \"rising\" or \"falling\", not %s", who, value_words.shown(options.edge))
end

--- A byte in words: "CTS rising", or "byte 5" where it is no edge's.
---@param byte integer
---@return string
function M.words(byte)
  local each = lines[byte]
  return each and ("%s %s"):format(each.line:upper(), each.edge) or ("byte %d"):format(byte)
end

return M
