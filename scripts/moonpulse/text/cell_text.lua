--- What people write that becomes a cell of a table: codes, labels, names of channels.
local escapes = require "moonpulse.text.escapes"

local M = {}

-- what a spreadsheet takes for the beginning of a formula, also in the width of East Asian letters
local formula = { ["="] = true, ["+"] = true, ["-"] = true, ["@"] = true, ["\u{FF1D}"] = true,
  ["\u{FF0B}"] = true, ["\u{FF0D}"] = true, ["\u{FF20}"] = true }

M.plain = "it is UTF-8 text without signs that turn the direction of writing, and without tabs or line ends "
  .. "or other control characters: write it with spaces"

--- Is it what M.plain says, in UTF-8? Other text could forge lines of ours, or be obeyed by a terminal.
---@param text string
---@return boolean
function M.is_plain(text)
  return utf8.len(text) ~= nil and escapes.shown(text) == text
end

--- Would a spreadsheet take it for a formula? Of text that is plain.
---@param text string
---@return boolean
function M.is_formula(text)
  return formula[text:match("^%s*(" .. utf8.charpattern .. ")") or ""] ~= nil
end

local function as_hex(char)
  return ("\\x%02X"):format(char:byte())
end

--- A text as events.tsv has it in a cell: engine/events.h.
---@param text string
---@return string
function M.written(text)
  return (text:gsub("%c", as_hex):gsub('^["=+%-@]', as_hex))
end

--- What is wrong with a text that is to be a cell; nil: nothing.
---@param text string
---@return string? problem for after the text's name
function M.problem(text)
  if not M.is_plain(text) then
    return "is UTF-8 text on one line without control characters"
  elseif M.is_formula(text) then
    return "does not begin with = + - @, which a spreadsheet takes for a formula"
  end
end

return M
