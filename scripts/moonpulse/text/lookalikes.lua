--- Characters that look like Lua's own and are not: a word processor, a web page or a chat put them there.
local M = {}

local double, single, minus, space = { '"', "a straight quotation mark" }, { "'", "a straight apostrophe" },
  { "-", "a minus sign" }, { " ", "an ordinary space" }
local known = {}
for meant, points in pairs {
  [double] = { 0x201C, 0x201D, 0x201E, 0x201F, 0xAB, 0xBB, 0x2033 },
  [single] = { 0x2018, 0x2019, 0x201A, 0x201B, 0x2032, 0xB4 },
  [minus] = { 0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212 },
  [space] = { 0xA0, 0x2002, 0x2003, 0x2009, 0x200B, 0x202F, 0x3000, 0xFEFF },
} do
  for _, point in ipairs(points) do
    known[point] = meant
  end
end
known[0xD7], known[0x2026] = { "*", "a star" }, { "...", "three full stops" }

--- What Lua would take instead of a character; nil: it looks like nothing of Lua's.
local function meant_by(point)
  if point >= 0xFF01 and point <= 0xFF5E then -- full width
    return { string.char(point - 0xFEE0), "the one of half width" }
  end
  return known[point]
end

local function line_of(text, number)
  local at = 1
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    if at == number then
      return line
    end
    at = at + 1
  end
end

--- A syntax error as Lua says it, of a character that only looks right: with what to write instead.
---@param message string of load: "name:line: ... near '<\226>'"
---@param text string that was loaded
---@return string
function M.explained(message, text)
  local byte = message:match("near '<\\(%d+)>'$")
  local place, number = message:match("^(.-:(%d+)): ")
  local line = byte and number and line_of(text, tonumber(number))
  if not line or not utf8.len(line) then
    return message
  end
  local code = line:gsub('"[^"]*"', ""):gsub("'[^']*'", "") -- in a text they may stand
  for _, point in utf8.codes(code) do
    local char, meant = utf8.char(point), meant_by(point)
    if char:byte() == tonumber(byte) and meant then
      local is_space = meant[1] == " "
      return ("%s: %s (U+%04X) is no character of Lua's, though it looks like one: write %s%s"):format(place,
        is_space and "a special space" or char, point, meant[2], is_space and "" or ": " .. meant[1])
    end
  end
  return message
end

return M
