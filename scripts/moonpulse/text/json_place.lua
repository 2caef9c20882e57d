--- Where a text that somebody wrote is no JSON: the parser's own words are of its insides.
local M = {}

--- ": look at line 3, ..."; "" where the parser named no place.
---@param text string
---@param why string? what the parser said: "... at character 23"
---@return string
function M.words(text, why)
  local at = why and tonumber(why:match("character (%d+)$"))
  return at and (": look at line %d, near character %d of the file (a comma or a quotation mark too many, or "
    .. "missing?)"):format(select(2, text:sub(1, at - 1):gsub("\n", "")) + 1, at) or ""
end

return M
