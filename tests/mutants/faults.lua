--- The faults that can be planted in a source, each a few bytes of it changed: what a tired person writes.
local source = require "mutants.source"
local statements = require "mutants.statements"

local M = {}

--- Every kind, and how often it is drawn against the others.
M.kinds = { { name = "compare", weight = 3 }, { name = "negate", weight = 3 }, { name = "drop", weight = 4 },
  { name = "constant", weight = 3 }, { name = "sign", weight = 2 }, { name = "logic", weight = 2 },
  { name = "swap", weight = 2 }, { name = "return", weight = 1 }, { name = "boolean", weight = 1 },
  { name = "bound", weight = 1 } }

---@class mutants.Fault
---@field kind string
---@field from integer first byte that goes
---@field to integer last byte that goes; from - 1: nothing goes
---@field text string what comes in its place

local function is_value(token)
  return token and (token.kind == "number" or token.kind == "string" or token.kind == "name"
    and not statements.keywords[token.text] or token.text == ")" or token.text == "]")
end

local compared = {
  c = { ["<"] = "<=", ["<="] = "<", [">"] = ">=", [">="] = ">", ["=="] = "!=", ["!="] = "==" },
  lua = { ["<"] = "<=", ["<="] = "<", [">"] = ">=", [">="] = ">", ["=="] = "~=", ["~="] = "==" },
}
local signs = { c = { ["+="] = "-=", ["-="] = "+=", ["++"] = "--", ["--"] = "++" }, lua = {} }
local binary = { ["+"] = "-", ["-"] = "+", ["/"] = "*", ["//"] = "*" }
local logic = { c = { ["&&"] = "||", ["||"] = "&&" }, lua = { ["and"] = "or", ["or"] = "and" } }
local booleans = { ["true"] = "false", ["false"] = "true" }
local bounds = { min = "max", max = "min", floor = "ceil", ceil = "floor" }

--- One token for another.
local function exchanged(at, language)
  local tokens, i = at.tokens, at.i
  local token, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
  local word = token.text
  if token.kind == "string" then
    return
  elseif compared[language][word] then
    return "compare", compared[language][word]
  elseif signs[language][word] then
    return "sign", signs[language][word]
  elseif binary[word] and is_value(before) then
    return "sign", binary[word]
  elseif word == "*" and is_value(before) and after
    and (after.kind == "number" or language == "lua" or after.text:find("^%u[%u%d_]+$")) then
    return "sign", "/"
  elseif logic[language][word] then
    return "logic", logic[language][word]
  elseif booleans[word] and token.kind == "name" then
    return "boolean", booleans[word]
  elseif bounds[word] and before and before.text == "." and language == "lua" then
    return "bound", bounds[word]
  elseif token.kind == "op" and word == "!" or word == "not" then
    return "negate", ""
  end
end

--- A whole number one more, and one less.
local function numbers(token)
  local digits, suffix = token.text:match("^(%d+)([uUlL]*)$")
  local hex = token.text:match("^0[xX](%x+)$")
  if not digits and not hex then
    return {}
  end
  local value = tonumber(hex or digits, hex and 16 or 10)
  local pattern = hex and "0x%0" .. #hex .. "X" or "%d" .. suffix
  local list = { pattern:format(value + 1) }
  if value > 0 then
    list[2] = pattern:format(value - 1)
  end
  return list
end

--- A condition, between its keyword or bracket and what ends it, the other way round.
local function negated(at, language)
  local tokens, i = at.tokens, at.i
  local word = tokens[i].text
  if language == "c" then
    local last = (word == "if" or word == "while") and at.pairs[i + 1]
    return last and { tokens[i + 2].from, tokens[last - 1].to, "!(%s)" }
  elseif word == "if" or word == "elseif" or word == "while" then
    local j = i + 1
    while tokens[j].text ~= "then" and tokens[j].text ~= "do" do
      j = tokens[j].text == "function" and at.function_ends[j]
        or at.pairs[j] and at.pairs[j] > j and at.pairs[j] or j
      j = j + 1
    end
    return { tokens[i + 1].from, tokens[j - 1].to, "not (%s)" }
  end
end

--- The arguments of the call whose bracket is token i, as spans of bytes.
local function arguments(at, i)
  local tokens, list, first = at.tokens, {}, i + 1
  local last, j = at.pairs[i], i + 1
  while j <= last do
    local text = tokens[j].text
    if text == "function" then
      return {}
    elseif (text == "," or j == last) and tokens[j].kind == "op" and j > first then
      list[#list + 1] = { from = tokens[first].from, to = tokens[j - 1].to }
      first = j + 1
    elseif at.pairs[j] and at.pairs[j] > j then
      j = at.pairs[j]
    end
    j = j + 1
  end
  return list
end

local function swapped(at, language)
  local tokens, i = at.tokens, at.i
  local before = tokens[i - 1]
  if tokens[i].text ~= "(" or not before or before.kind ~= "name" or statements.keywords[before.text]
    or not at.inside or language == "lua" and tokens[i - 2] and tokens[i - 2].text:find("^function$")
    or language == "lua" and statements.is_head(tokens, i)
    or bounds[before.text] then -- max(a, b) is max(b, a)
    return {}
  end
  local list, given = {}, arguments(at, i)
  for k = 1, #given - 1 do
    local one, two = given[k], given[k + 1]
    local a, b = at.text:sub(one.from, one.to), at.text:sub(two.from, two.to)
    if a ~= b then
      list[#list + 1] = { one.from, two.to, b .. at.text:sub(one.to + 1, two.from - 1) .. a }
    end
  end
  return list
end

--- Calls add for what a function that returns at once is, by what it returns.
local function returned(each, at, language, add)
  local tokens = at.tokens
  if language == "lua" then
    local open = each.first + 1
    while tokens[open].text ~= "(" do
      open = open + 1
    end
    local after = at.pairs[open] + 1
    if tokens[after].text ~= "return" and tokens[after].text ~= "end" then
      add("return", tokens[after].from, tokens[after].from - 1, "do return end ")
    end
    return
  end
  local head = at.text:sub(tokens[each.first].from, tokens[each.open].from)
  local result = head:match("^(.-)[%w_]+%(") or ""
  local values = result:find("%*") and {} or result:find("%f[%w]void%f[%W]") and { "" }
    or result:find("%f[%w]bool%f[%W]") and { " false", " true" } or { " 0" }
  for _, value in ipairs(values) do
    add("return", tokens[each.open].to + 1, tokens[each.open].to, " return" .. value .. ";")
  end
end

--- All faults of a source.
---@param text string
---@param language "c"|"lua"
---@return mutants.Fault[]
---@return { from: integer, to: integer }[] its functions, in bytes
function M.of(text, language)
  local tokens = source.tokens(text, language)
  local matching, within = source.pairs_of(tokens)
  local at = { text = text, tokens = tokens, pairs = matching, within = within, function_ends = {} }
  local functions, spans, inside, list = source.functions(tokens, text, language), {}, {}, {}
  local function add(kind, from, to, new)
    list[#list + 1] = { kind = kind, from = from, to = to, text = new }
  end
  for i, each in ipairs(functions) do
    spans[i] = { from = tokens[each.first].from, to = tokens[each.last].to }
    at.function_ends[each.first] = each.last
    for j = each.open or each.first, each.last do
      inside[j] = true
    end
    returned(each, at, language, add)
  end
  for i, token in ipairs(tokens) do
    at.i, at.inside = i, inside[i]
    local kind, new = exchanged(at, language)
    if kind then
      add(kind, token.from, token.to, new)
    end
    for _, number in ipairs(token.kind == "number" and numbers(token) or {}) do
      add("constant", token.from, token.to, number)
    end
    local condition = negated(at, language)
    if condition then
      add("negate", condition[1], condition[2], condition[3]:format(
        text:sub(condition[1], condition[2])))
    end
    for _, each in ipairs(swapped(at, language)) do
      add("swap", each[1], each[2], each[3])
    end
    local last = inside[i] and statements.ends(at, i, language)
    if last and token.text ~= "free" then -- leaks are for the sanitizers
      add("drop", token.from, tokens[last].to, language == "c" and ";" or "")
    end
  end
  return list, spans
end

--- A source with a fault in it.
---@param text string
---@param fault mutants.Fault
---@return string
function M.planted(text, fault)
  return text:sub(1, fault.from - 1) .. fault.text .. text:sub(fault.to + 1)
end

return M
