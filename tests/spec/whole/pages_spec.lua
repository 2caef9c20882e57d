--- The pages for who changes Moonpulse: what they name is there, and what they tell to type works. And of all
--- pages: links lead somewhere, lines are not too long.
local lfs = require "lfs"
local rooms = require "helpers.rooms"
local shell = require "shell"

local own = { "CONTRIBUTING.md", "docs/architecture.md", "docs/debugging.md", "docs/README.md" }
local pages = { "CHANGELOG.md", "CONTRIBUTING.md", "README.md" }
for name in lfs.dir("docs") do
  if name:match("%.md$") then
    pages[#pages + 1] = "docs/" .. name
  end
end
table.sort(pages)

local widest = 120

--- What a page says, without its blocks of code.
local function prose_of(text)
  return (("\n" .. text):gsub("\n    [^\n]*", "\n"))
end

local function specs()
  local found = {}
  for path in pairs(rooms.read("tests/spec", "_spec%.lua$")) do
    found[path:match("[^/]+$")] = "tests/spec/" .. path
  end
  return found
end

--- The files that a path of a page stands for: of the tree, or of the library, where it says no more;
--- "x.[ch]" stands for two, "x_spec.lua" for the spec of that name, wherever it is.
local function files_of(path, by_name)
  local list = {}
  local stem = path:match("^(.*)%[ch%]$")
  for _, each in ipairs(stem and { stem .. "c", stem .. "h" } or { by_name[path] or path }) do
    list[#list + 1] = lfs.attributes(each, "mode") and each or "scripts/moonpulse/" .. each
  end
  return list
end

local function is_path(span)
  return span:find("^[%w_./%[%]%-]+$") and not span:find("^/") and not span:find("^build/")
    and (span:find("^[%w_]+/") or span:find("_spec%.lua$")) and (span:find("/$") or span:find("%.[%w%[%]]+$"))
end

--- Which code spans of a text are paths that there are not.
local function missing_paths(text, by_name)
  local list, count = {}, 0
  for span in prose_of(text):gmatch("`([^`\n]+)`") do
    if is_path(span) then
      count = count + 1
      for _, file in ipairs(files_of(span, by_name)) do
        if not lfs.attributes(file, "mode") then
          list[#list + 1] = span
        end
      end
    end
  end
  return list, count
end

--- "`name` (`path`)" and "`name` in `path`": which functions are not in their file.
local function missing_functions(text, by_name)
  local list, count = {}, 0
  local pattern = "`([%w_.:]+)` ?i?n? ?%(?`([%w_/]+%.[clh]u?a?)`"
  for name, path in prose_of(text):gsub("%s+", " "):gmatch(pattern) do
    count = count + 1
    local source = shell.read(files_of(path, by_name)[1]) or ""
    local short = name:match("[%w_]+$")
    if not source:find("[%s.:*]" .. short .. "%(") then
      list[#list + 1] = name .. " in " .. path
    end
  end
  return list, count
end

--- A heading as its anchor.
local function anchor_of(heading)
  return (heading:lower():gsub("`", ""):gsub("[^%w%s_%-\128-\255]", ""):gsub("%s", "-"))
end

local function broken_links(page, text)
  local list, count = {}, 0
  for target in prose_of(text):gmatch("%]%(([^)%s]+)%)") do
    if not target:find("^%a+://") then
      count = count + 1
      local path, anchor = target:match("^([^#]*)#?(.*)$")
      path = path == "" and page or (page:match("^(.*/)") or "") .. path
      path = path:gsub("[^/]+/%.%./", "")
      local found = shell.read(path)
      local there = found and anchor == ""
      for heading in ("\n" .. (found or "")):gmatch("\n#+ ([^\n]+)") do
        there = there or anchor_of(heading) == anchor
      end
      if not there then
        list[#list + 1] = page .. ": " .. target
      end
    end
  end
  return list, count
end

--- The rows of a text's table, each as its cells.
local function rows_of(text)
  local rows = {}
  for line in text:gmatch("[^\n]+") do
    if line:find("^|") and not line:find("^|%-") then
      local cells = {}
      for cell in line:gmatch("|%s*([^|]*)") do
        cells[#cells + 1] = cell:gsub("%s+$", "")
      end
      rows[#rows + 1] = cells
    end
  end
  table.remove(rows, 1)
  return rows
end

--- The rows of the table under a heading.
local function table_under(text, heading)
  return rows_of(assert(text:match("\n## " .. heading .. "\n(.-)\n## "), heading))
end

describe("the pages for who changes Moonpulse", function()
  local by_name = specs()

  it("name files and folders that there are", function()
    local total = 0
    for _, page in ipairs(own) do
      local list, count = missing_paths(shell.read(page), by_name)
      assert.are.same({}, list, page)
      total = total + count
    end
    assert.is_true(total > 100, total)
  end)

  it("name functions that are in the files which they name", function()
    local list, count = missing_functions(shell.read("docs/architecture.md"), by_name)
    assert.are.same({}, list)
    assert.is_true(count > 50, count)
  end)

  it("say of twenty usual changes in which file to look", function()
    local rows = table_under(shell.read("docs/architecture.md"), "To change X, look in Y")
    local wanted = { "device", "plan primitive", "live line", "histogram", "late pulses",
      "`moonpulse runs` tells", "column of events.tsv", "stop source", "safety table", "option of run",
      "verb of an experiment", "the prompt", "virtual time", "triggers come from",
      "markers over LSL", "streams of LSL", "several devices", "event codes", "verify` checks", "doctor" }
    assert.are.equal(#wanted, #rows)
    for i, row in ipairs(rows) do
      assert.is_truthy(row[1]:find(wanted[i], 1, true), row[1])
      local _, count = missing_paths(row[2], by_name)
      assert.is_true(count >= 1 and count <= 2, row[1])
    end
  end)

  it("name everybody who looks at a plan by its kind", function()
    local page = shell.read("docs/architecture.md")
    local named = assert(page:match("%*%*Who looks at a plan by its kind%*%*(.-)\n\n"))
    local wanted, found = {}, {}
    for path, text in pairs(rooms.read("scripts/moonpulse", "%.lua$")) do
      local code = rooms.code(text)
      wanted[path] = code:find(":view()", 1, true) and code:find("%.kind%f[^%w_]") and true or nil
    end
    for path in named:gmatch("`([%l_]+/[%l_]+%.lua)`") do
      found[path] = true
    end
    assert.are.same(wanted, found)
  end)

  it("have every room in the order in which they need each other", function()
    local texts = rooms.read("scripts/moonpulse", "%.lua$")
    local graph, place, count = rooms.graph(texts), {}, 0
    local names = assert(shell.read("docs/architecture.md"):match("\n| rooms |[^\n]*\n|[%-|]+\n(.-)\n\n"))
    for row in names:gmatch("[^\n]+") do
      count = count + 1
      for room in row:match("^|([^|]*)|"):gmatch("`(%l+)/`") do
        place[room] = count
      end
    end
    for room, needed in pairs(graph) do
      if not room:find("%.lua$") and room ~= "templates" and room ~= "types" then -- which nobody requires
        assert.is_truthy(place[room], room)
        for other in pairs(needed) do
          assert.is_true((place[other] or 0) <= place[room], room .. " needs " .. other)
        end
      end
    end
  end)

  it("are noticed where they name what there is not", function()
    assert.are.same({ "run/gone.lua", "gone_spec.lua" },
      (missing_paths("`run/play.lua` `engine/stop.[ch]` `run/gone.lua` `gone_spec.lua` `a b/c.lua`",
        by_name)))
    assert.are.same({ "M.gone in run/play.lua", "mp_gone in engine/stop.c" },
      (missing_functions("`M.run` (`run/play.lua`) `M.gone`\n(`run/play.lua`), `mp_gone` in `engine/stop.c`, "
        .. "`mp_latch_stop` (`engine/stop.c`)", by_name)))
  end)
end)

describe("the command lines of docs/debugging.md", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local lines = {}
  for line in shell.read("docs/debugging.md"):gsub("\\\n%s*", ""):gmatch("[^\n]+") do
    local command, comment = line:match("^    (%S.-)%s*#%s(.*)$")
    command = command or line:match("^    (%S.*)$")
    if command then
      comment = comment or ""
      lines[#lines + 1] = { command = command, comment = comment, is_long = comment:find("^long: ") }
    end
  end

  it("work, but for those that are said to take long", function()
    local build, count = shell.program:match("^(.*)/moonpulse$"), 0
    for _, each in ipairs(lines) do
      if not each.is_long then
        count = count + 1
        local command = each.command:gsub("/tmp/mp", folder):gsub("%f[%w./]build/", build .. "/")
        local status, out, err = shell.sh(folder, ("export MOONPULSE=%s; %s"):format(
          shell.quote(shell.program), command))
        assert.are.equal(tonumber(each.comment:match("status (%d)")) or 0, status,
          command .. "\n" .. out .. err)
      end
    end
    assert.is_true(count >= 13, count)
  end)

  it("name targets, files and variables that there are", function()
    local makefile, sources, count = shell.read("Makefile"), {}, 0
    for _, under in ipairs { "tests", "scripts" } do
      for _, text in pairs(rooms.read(under, "%.[lcsh]+u?a?$")) do
        sources[#sources + 1] = text
      end
    end
    local all = table.concat(sources) .. makefile
    for _, each in ipairs(lines) do
      local command = each.command
      for variable in (" " .. command):gmatch("%s([A-Z_]+)=") do
        count = count + 1
        assert.is_truthy(all:find(variable, 1, true), command)
      end
      if command:find("^[A-Z_=%d ]*make ") then
        local target = command:gsub("[A-Z_]+=%S+", ""):match("make%s+([%l-]+)")
        assert.is_truthy(makefile:find("\n" .. target:gsub("%-", "%%-") .. ":"), command)
      end
      for path in command:gmatch("%f[%w./]tests/[%w_/]+%.lua") do
        assert.is_truthy(lfs.attributes(path), command)
      end
    end
    assert.is_true(count > 10, count)
  end)
end)

describe("all pages", function()
  it("link to pages and headings that there are", function()
    local total = 0
    for _, page in ipairs(pages) do
      local list, count = broken_links(page, shell.read(page))
      assert.are.same({}, list)
      total = total + count
    end
    assert.is_true(total > 50, total)
    assert.are.same({ "docs/x.md: gone.md", "docs/x.md: ../README.md#gone" },
      (broken_links("docs/x.md", "[a](gone.md) [b](../README.md#gone) [c](../README.md#timing) "
        .. "[d](record.md)")))
  end)

  -- a row of a table cannot be broken; what is longer than three lines belongs below the table
  it("stand once each in the table of which page is for whom", function()
    local seen, twice = {}, {}
    for _, row in ipairs(rows_of(shell.read("docs/README.md"))) do
      for page in row[2]:gmatch("%]%(([^)#]+)%)") do
        twice[#twice + 1] = seen[page] and page
        seen[page] = true
      end
    end
    assert.are.same({}, twice)
    assert.is_true(seen["bids.md"])
  end)

  it("have lines of at most 120 characters, and rows of tables of at most 360", function()
    local list = {}
    for _, page in ipairs { "docs/moonpulse.1", table.unpack(pages) } do
      local number, by_hand = 0, true
      for line in shell.read(page):gmatch("([^\n]*)\n") do
        number = number + 1
        by_hand = line == "<!-- end of results -->" or by_hand and line ~= "<!-- results -->" -- of the bench
        if by_hand and utf8.len(line) > (line:find("^|") and 3 or 1) * widest then
          list[#list + 1] = ("%s:%d"):format(page, number)
        end
      end
    end
    assert.are.same({}, list)
  end)
end)
