-- An edit over which somebody has written the seal again: SHA256SUMS finds nothing then, and the chain of the
-- journal, the rows and the plan must. MP_VERIFY=10000: so many bits.
local cjson = require "cjson"
local damaged = require "damaged"
local edited = require "moonpulse.safety.edited"
local fixture = require "job"
local made_once = require "made_once"
local recover = require "moonpulse.record.recover"
local reports = require "moonpulse.report"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"
local verify = require "moonpulse.verify"

local flips = math.tointeger(tonumber(os.getenv "MP_VERIFY" or "")) or 160

local folder, kept = nil, {}

local runs = {
  virtual = "short.lua --speed max --seed 1",
  experiment = "trial.lua --speed max --seed 1 --device sim:magstim200",
  real = "short.lua --seed 1 --tolerance 1000",
}

setup(function()
  folder = shell.folder()
  shell.write(folder .. "/short.lua", [[local mp = require "moonpulse"
    return mp.protocol { id = "short", name = "Short", plan = function()
      return mp.mark "start" .. mp.train { pulses = 12, hz = 10, intensity = mp.mso(30) } end }]])
  shell.write(folder .. "/trial.lua", [[local mp = require "moonpulse"
    return mp.experiment(function(run)
      local stim = run:device()
      stim:arm()
      for i = 1, 4 do
        run:sleep(run:uniform(1, 2))
        stim:fire(mp.pulse { intensity = mp.mso(20 + i) })
        run:mark("trial " .. i)
      end
    end)]])
  for name, what in pairs(runs) do
    local status, _, err = shell.moonpulse(folder, ("run %s/%s --participant P01 --operator AB "
      .. "--beyond-guidelines test --approval none --out %s/%s"):format(folder, what, folder, name))
    assert.are.equal(0, status, err)
    local path = fixture.run_in(folder .. "/" .. name)
    local texts, names = damaged.read(path)
    kept[name] = { folder = path, texts = texts, names = names, name = name }
  end
end)

teardown(function() shell.remove(folder) end)

--- Write the seal over whatever is there, and nothing else.
local function seal_over(path)
  local lines = {}
  for i, each in ipairs(seals.list(path)) do
    lines[i] = seals.line(assert(sha256.of_file(path .. "/" .. each.name)), each.name)
  end
  shell.write(path .. "/SHA256SUMS", table.concat(lines))
end

local function put_right(each)
  for _, name in ipairs(each.names) do
    shell.write(each.folder .. "/" .. name, each.texts[name])
  end
end

describe("an edit that was sealed over", function()
  made_once.inside()

  for name in pairs(runs) do
    it("is found, whichever bit of whichever file it is: " .. name, function()
      local each, done, seed, found_by = kept[name], 0, 0, {}
      while done < flips // 3 do
        seed = seed + 1
        done = done + (damaged.with(each, "flip", seed, function(file)
          if file == "SHA256SUMS" then -- that is the seal, which is written again
            return
          end
          seal_over(each.folder)
          local found = assert(verify.folder(each.folder, {}))
          assert.is_false(found.whole, ("seed %d: %s"):format(seed, file))
          for _, differs in ipairs(found.differs) do -- and it is not SHA256SUMS that tells
            assert.is_nil(differs.text:find("SHA256SUMS", 1, true), differs.text)
          end
          found_by[file] = (found_by[file] or 0) + 1
          put_right(each)
        end) and 1 or 0)
      end
      assert.is_true(verify.folder(each.folder, {}).whole)
      for _, file in ipairs { "journal.jsonl", "events.tsv", "manifest.json" } do
        assert.is_true((found_by[file] or 0) > 0, file)
      end
    end)
  end

  it("is found where it makes a line of the journal look like an older version's, without a chain", function()
    local each = kept.virtual
    local text = each.texts["journal.jsonl"]
    local key = text:find('"prev":"', 1, true)
    for at = key, key + 7 do
      shell.write(each.folder .. "/journal.jsonl", text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1)
        .. text:sub(at + 1))
      seal_over(each.folder)
      assert.is_false(verify.folder(each.folder, {}).whole, at)
    end
    put_right(each)
  end)

  it("is found where a file was put in or taken away", function()
    local each = kept.real
    for _, file in ipairs { "resolved.plan", "events.json", "sources/short.lua", "report.html",
      "flight.bin" } do
      os.remove(each.folder .. "/" .. file)
      seal_over(each.folder)
      assert.is_false(verify.folder(each.folder, {}).whole, file)
      put_right(each)
    end
    shell.write(each.folder .. "/sources/more.lua", "return 1\n")
    seal_over(each.folder)
    local found = verify.folder(each.folder, {})
    assert.are.equal("sources/more.lua", found.differs[1].file)
    os.remove(each.folder .. "/sources/more.lua")
    put_right(each)
    assert.is_true(verify.folder(each.folder, {}).whole)
  end)

  it("and to which journal and report were fitted as well is forged: only a signature shows that", function()
    local each = kept.virtual
    local before, last = each.texts["journal.jsonl"]:match('^(.*\n)([^\n]*\n)$')
    local told = cjson.decode(last).told
    told.host.kernel = "Linux 1"
    shell.write(each.folder .. "/journal.jsonl", before)
    os.remove(each.folder .. "/SHA256SUMS")
    local manifest = each.texts["manifest.json"]:gsub('"journal_head": "%x+"', '"journal_head": "'
      .. sha256.of(before:match "([^\n]*)\n$") .. '"')
      :gsub('"journal_lines": %d+', '"journal_lines": ' .. select(2, before:gsub("\n", "")))
      :gsub('"kernel": "[^"]*"', '"kernel": "Linux 1"')
    shell.write(each.folder .. "/manifest.json", manifest)
    assert(reports.write(each.folder))
    assert(seals.again(each.folder, "sealed", { told = told }))
    assert.is_true(verify.folder(each.folder, {}).whole)
    put_right(each)
  end)
end)

describe("recover", function()
  made_once.inside "begin"

  local edits = {
    { "manifest.json", '"participant": "P01"', '"participant": "P02"' },
    { "manifest.json", '"verdict": "%a+', '"verdict": "none' },
    { "manifest.json", '"operator": "AB"', '"operator": "CD"' },
    { "sources/short.lua", "hz = 10", "hz = 11" },
    { "events.json", "Onset", "Offset" },
    { "flight.bin", "MP", "PM" },
    { "journal.jsonl", '"who":"AB"', '"who":"CD"' },
  }

  --- An edit of the real run, and what else was done to it.
  local function edit(each, which, gone)
    local name, from, to = table.unpack(which)
    local text, count = each.texts[name]:gsub(from, to, 1)
    if name == "flight.bin" then
      text, count = each.texts[name]:sub(1, -9) .. string.char(each.texts[name]:byte(-8) ~ 1)
        .. each.texts[name]:sub(-7), 1
    end
    assert.are.equal(1, count, name .. from)
    shell.write(each.folder .. "/" .. name, text)
    for _, file in ipairs(gone) do
      os.remove(each.folder .. "/" .. file)
    end
    return name
  end

  for _, gone in ipairs { { "SHA256SUMS" }, { "report.html" }, { "SHA256SUMS", "report.html" },
    { "SHA256SUMS", "verify.sh" }, { "SHA256SUMS", "verify.sh", "report.html" },
    { "SHA256SUMS", "events.tsv" } } do
    it("makes nothing whole that was edited, without " .. table.concat(gone, ", "), function()
      local each = kept.real
      for _, which in ipairs(edits) do
        local name = edit(each, which, gone)
        local summary = recover.run(each.folder, nil, reports.write)
        local what = name .. ": " .. which[3]
        if summary then -- else it says what cannot be done
          assert.matches(name, table.concat(summary.differed, " "), 1, true, what)
        end
        local found = assert(verify.folder(each.folder, {}))
        assert.is_false(found.whole, what)
        local told = false
        for _, differs in ipairs(found.differs) do
          told = told or (differs.file .. " " .. differs.text):find(name, 1, true) ~= nil
        end
        assert.is_true(told, what)
        assert.is_string(edited.look(each.folder, fixture.manifest(each.folder), { name }), what)
        recover.run(each.folder, nil, reports.write) -- nor by doing it again
        assert.is_false(verify.folder(each.folder, {}).whole, what)
        for _, left in ipairs { "events.tsv.replaced", "events.tsv.replaced2" } do
          os.remove(each.folder .. "/" .. left)
        end
        put_right(each)
      end
    end)
  end

  it("of a folder that nobody edited says that the seal was gone, and that all is as it was", function()
    local each = kept.real
    os.remove(each.folder .. "/SHA256SUMS")
    assert.are.equal("its seal is missing", edited.look(each.folder, fixture.manifest(each.folder)))
    local summary = assert(recover.run(each.folder, nil, reports.write))
    assert.is_true(summary.lost)
    assert.are.same({}, summary.differed)
    local found = verify.folder(each.folder, {})
    assert.is_true(found.whole)
    assert.are_not.equal(sha256.of(each.texts["SHA256SUMS"]), found.seal) -- the noted one tells
    assert.matches("its seal (SHA256SUMS) was missing, and had been there",
      table.concat(found.notes, "\n"), 1, true)
    put_right(each)
  end)

  it("cannot know how the files of a record were whose journal has no hashes of them", function()
    local each = kept.real
    local lines = {}
    for line in each.texts["journal.jsonl"]:gmatch("[^\n]+") do -- as the builds before wrote it
      lines[#lines + 1] = not line:find('"kind":"sealed"', 1, true) and line or nil
    end
    shell.write(each.folder .. "/journal.jsonl", table.concat(lines, "\n") .. "\n")
    shell.write(each.folder .. "/manifest.json", (each.texts["manifest.json"]
      :gsub('"journal_head": "%x+"', '"journal_head": "' .. sha256.of(lines[#lines])
        .. '"'):gsub('"journal_lines": %d+', '"journal_lines": ' .. #lines)))
    seal_over(each.folder)
    assert.are.same({}, verify.folder(each.folder, {}).differs)
    os.remove(each.folder .. "/SHA256SUMS")
    local summary = assert(recover.run(each.folder, nil, reports.write))
    assert.are.same({ "SHA256SUMS" }, summary.differed)
    assert.is_false(verify.folder(each.folder, {}).whole)
    assert.matches("SHA256SUMS, before it was sealed again",
      edited.look(each.folder, fixture.manifest(each.folder)), 1, true)
    put_right(each)
  end)
end)
