--- What Lua says of a line that it cannot read, with what is probably missing there.
local lookalikes = require "moonpulse.text.lookalikes"

local M = {}

-- the first that matches; "near" is the last thing that Lua met
local remedies = {
  { "unfinished string near", "a quotation mark is missing at its end" },
  { "near '//'$", "a comment begins with --" },
  { "near '[#%%]'$", "a comment begins with --" },
  { "near '!'$", "\"not equal\" is ~=, and \"not\" is written out" },
  { "near '&'$", "\"and\" is written out" },
  { "near '|'$", "\"or\" is written out" },
  { "'then' expected", "if condition then ... end; equal is ==" },
  { "'do' expected", "for i = 1, 10 do ... end, and the same for while" },
  { "function arguments expected", "a method is called as plan:times(20), plan:at \"left\", with a colon" },
  { "'end' expected .* near <eof>$", "an end is missing: each function, for and if has one of its own" },
  { "'[%]%)}]' expected .*near <eof>$", "a bracket is opened and not closed" },
  { "'[%]%)}]' expected .*near '='$", "a comma is missing, or a name stands where a value belongs" },
  { "'}' expected", "a comma is missing in front of it, or a } (a table is { a = 1, b = 2 })" },
  { "'%)' expected", "a comma is missing in front of it, or a )" },
  { "'end' expected .* near '[}%)%]]'$", "an end is missing in front of it, or one bracket is too many" },
  { "<eof> expected near 'end'$", "there is one end too many" },
  { "'end' expected .* near '", "what stands in front of it is complete: plans are put together with .., a "
    .. "comment begins with --, and return is the last line" },
  { "<eof> expected near '", "what stands in front of it is complete: plans are put together with .., a "
    .. "comment begins with --" },
  { "near '=='$", "a value gets its name with one =" },
  { "syntax error near", "a line begins with local name = ..., return ..., or a call; plans are put "
    .. "together with .." },
}

--- A syntax error in words that say what to look for.
---@param message string of load: "name:line: ... near ..."
---@param text string that was loaded
---@return string
function M.explained(message, text)
  local said = lookalikes.explained(message, text)
  if said ~= message then
    return said
  end
  for _, each in ipairs(remedies) do
    if message:find(each[1]) then
      return ("%s: %s"):format(message, each[2])
    end
  end
  return message
end

return M
